// Floor map: draws the plan and the robots of a facility, or clusters of them where there are many.
// The event stream moves and colours robots; the visible part is read again after the view, a
// cluster or an alert changes, and periodically.
(() => {
  "use strict";

  const MAX_LABELS = 100;
  const LABEL_PIXELS = [104, 22];
  const CLUSTER_PIXELS = 64;
  // The shortest rule has two fifths of it, more than the width of its text.
  const MAX_RULE_PIXELS = 120;
  const VIEW_DELAY_MS = 200;
  const MIN_PAUSE_MS = 5000;
  const MAX_AGE_MS = 30000;
  // A slow server is asked less often: reading takes at most a tenth of the time.
  const PAUSE_FACTOR = 9;
  const STALE_SECONDS = [60, 600, 3600];
  const FOCUS_SCALE = 20; // pixels per metre at which single robots are seen
  const STEP_METRES = 0.1;
  const LARGE_STEP_METRES = 1;
  const METRES = { m: 1, cm: 0.01 };
  const MAX_METRES = 1e7;
  const ANY_ROBOT = "00000000-0000-0000-0000-000000000000";

  const map = document.getElementById("floor-map");
  const data = window.urfmp.readJson("floor-map-data");
  const stage = map.querySelector(".u-map__stage");
  const layer = map.querySelector(".u-map__robots");
  const picture = map.querySelector(".u-map__plan");
  const floor = map.querySelector(".u-map__floor");
  const card = map.querySelector("[data-card]");
  const form = document.getElementById("place");
  const announcer = document.querySelector("[data-announce]");
  const robots = new Map(); // drawn robots by id
  const marks = []; // drawn clusters
  let selected = new URLSearchParams(location.search).get("robot") || "";
  let isFitted = false;
  let pause = MIN_PAUSE_MS;
  let readAt = 0;
  let timer = 0;
  let dueAt = Infinity;
  let isReading = false;
  let number = 0; // of the latest request

  const view = new window.urfmpMapView(stage, {
    onChange: () => {
      draw();
      schedule(VIEW_DELAY_MS);
    },
    onClick: () => select(""),
  });

  const format = (metres) => window.urfmp.formatValue(metres);

  // What is drawn

  function place(element, x, y) {
    const [left, top] = view.toPixels(x, y);
    element.style.transform = `translate(${left}px, ${top}px)`;
  }

  function draw() {
    const { scale: k, left, top } = view;
    if (picture) {
      const [a, b, c, d, e, f] = data.plan.matrix;
      picture.style.transform = `matrix(${a * k}, ${-b * k}, ${c * k}, ${-d * k}, ${e * k + left}, ${top - f * k})`;
    } else if (data.floor) {
      const [width, height] = data.floor;
      floor.hidden = false;
      floor.style.width = `${width * k}px`;
      floor.style.height = `${height * k}px`;
      place(floor, 0, height);
    }
    for (const robot of robots.values()) {
      place(robot.element, robot.x, robot.y);
    }
    for (const mark of marks) {
      place(mark.element, mark.x, mark.y);
    }
    labelRobots();
    const power = 10 ** Math.floor(Math.log10(MAX_RULE_PIXELS / k));
    const length = [5, 2, 1].map((step) => step * power).find((metres) => metres * k <= MAX_RULE_PIXELS);
    const rule = map.querySelector("[data-scale]");
    rule.textContent = `${window.urfmp.formatValue(length, length < 1 ? 2 : 0)} m`;
    rule.style.width = `${length * k}px`;
  }

  // Shows the names that do not cover each other.
  function labelRobots() {
    const taken = [];
    for (const robot of robots.values()) {
      const [x, y] = view.toPixels(robot.x, robot.y);
      const isFree = robots.size <= MAX_LABELS
        && taken.every(([left, top]) => Math.abs(left - x) > LABEL_PIXELS[0] || Math.abs(top - y) > LABEL_PIXELS[1]);
      robot.element.toggleAttribute("data-label", isFree);
      if (isFree) {
        taken.push([x, y]);
      }
    }
  }

  function extent() {
    const points = [];
    if (data.plan) {
      const [a, b, c, d, e, f] = data.plan.matrix;
      for (const [x, y] of [[0, 0], [data.plan.width, 0], [0, data.plan.height], [data.plan.width, data.plan.height]]) {
        points.push([a * x + c * y + e, b * x + d * y + f]);
      }
    } else if (data.floor) {
      points.push([0, 0], data.floor);
    }
    if (data.extent && !data.plan) {
      points.push(data.extent.slice(0, 2), data.extent.slice(2));
    }
    if (!points.length) {
      points.push([0, 0], [20, 20]);
    }
    const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  }

  // Robots

  function describe(robot) {
    const parts = [robot.name, window.urfmp.label(robot.status)];
    if (robot.severity) {
      parts.push(`alert: ${window.urfmp.label(robot.severity)}`);
    }
    return parts.join(", ");
  }

  function showRobot(robot) {
    const { element } = robot;
    element.dataset.value = robot.status;
    element.setAttribute("aria-label", describe(robot));
    const alert = element.querySelector(".u-dot__alert");
    alert.hidden = !robot.severity;
    alert.dataset.value = robot.severity || "";
    const pointer = element.querySelector(".u-dot__heading");
    pointer.hidden = robot.heading === null;
    pointer.style.transform = `rotate(${-(robot.heading || 0)}rad)`;
    const age = robot.seen ? Date.now() / 1000 - robot.seen : Infinity;
    element.dataset.age = String(STALE_SECONDS.filter((limit) => age > limit).length);
    place(element, robot.x, robot.y);
    if (robot.id === selected) {
      showCard();
    }
  }

  function addRobot(values) {
    const element = document.createElement("button");
    element.type = "button";
    element.className = "u-dot";
    element.tabIndex = -1;
    for (const name of ["heading", "alert", "label"]) {
      const part = document.createElement("span");
      part.className = `u-dot__${name}`;
      part.setAttribute("aria-hidden", "true");
      element.append(part);
    }
    element.querySelector(".u-dot__alert").dataset.family = "severity";
    element.querySelector(".u-dot__label").textContent = values.name;
    const robot = { ...values, element };
    element.addEventListener("click", () => select(robot.id));
    if (form?.dataset.placing === robot.id) {
      makeMovable(robot);
    }
    robots.set(robot.id, robot);
    layer.append(element);
    return robot;
  }

  function removeRobot(robot) {
    robot.element.remove();
    robots.delete(robot.id);
  }

  function showClusters(clusters) {
    marks.splice(0).forEach((mark) => mark.element.remove());
    for (const [x, y, count, status, severity] of clusters) {
      const element = document.createElement("button");
      element.type = "button";
      element.className = "u-cluster";
      element.tabIndex = -1;
      element.dataset.value = status;
      element.textContent = count;
      element.setAttribute(
        "aria-label",
        `${count} robots, worst: ${window.urfmp.label(status)}${severity ? `, alert: ${window.urfmp.label(severity)}` : ""}. Zoom in`,
      );
      element.toggleAttribute("data-alert", Boolean(severity));
      element.addEventListener("click", () => view.zoom(3, ...view.toPixels(x, y)));
      marks.push({ element, x, y });
      layer.append(element);
    }
  }

  function show(answer) {
    data.extent = answer.extent;
    const seen = new Set();
    for (const [id, name, status, x, y, heading, time, severity, isReported] of answer.robots) {
      seen.add(id);
      const robot = robots.get(id) ?? addRobot({ id, name });
      const isMoved = robot.isMoved; // by the user, and not saved yet
      Object.assign(robot, { name, status: status || "", heading, seen: time, severity, isReported }, isMoved ? {} : { x, y });
      showRobot(robot);
    }
    for (const robot of [...robots.values()]) {
      if (!seen.has(robot.id) && !robot.isMoved) {
        removeRobot(robot);
      }
    }
    showClusters(answer.clusters);
    labelRobots();
    const missing = answer.total - answer.placed;
    document.querySelector("[data-map-count]").textContent = missing
      ? `${answer.placed} of ${answer.total} on the map`
      : `${answer.total} on the map`;
    const empty = map.querySelector("[data-map-empty]");
    empty.hidden = answer.placed > 0 || Boolean(form);
    empty.textContent = answer.total ? "No robot has a position yet. Place them from the list below." : "No robots in service here.";
  }

  // The card of the selected robot; the robot may come into view later.

  function showCard() {
    const robot = robots.get(selected);
    card.hidden = !robot;
    if (!robot) {
      return;
    }
    if (card.dataset.robot !== robot.id) {
      card.dataset.robot = robot.id;
      card.replaceChildren(document.getElementById("robot-card").content.cloneNode(true));
      for (const link of card.querySelectorAll("[data-link]")) {
        link.href = link.dataset.link.replace(ANY_ROBOT, robot.id);
      }
      card.querySelector(".u-link").textContent = robot.name;
      card.querySelector("[data-close]").addEventListener("click", () => {
        select("");
        stage.focus();
      });
      const stop = card.querySelector(".u-button--stop");
      stop?.setAttribute("aria-label", `Request stop of ${robot.name}`);
      card.setAttribute("aria-label", robot.name);
    }
    const [badge, alert] = card.querySelectorAll(".u-badge");
    window.urfmp.setBadge(badge, robot.status);
    alert.hidden = !robot.severity;
    window.urfmp.setBadge(alert, robot.severity || "");
    card.querySelector("[data-position]").textContent = `${format(robot.x)}, ${format(robot.y)} m`;
    const time = card.querySelector("[data-seen]");
    if (robot.seen) {
      window.urfmp.setTime(time, new Date(robot.seen * 1000).toISOString());
    } else {
      time.textContent = "never";
    }
    const move = card.querySelector("[data-place]");
    if (move) {
      move.hidden = robot.isReported || form?.dataset.placing === robot.id;
    }
  }

  function select(id, isFocused = false) {
    robots.get(selected)?.element.removeAttribute("aria-current");
    selected = id;
    const robot = robots.get(id);
    robot?.element.setAttribute("aria-current", "true");
    showCard();
    if (robot && isFocused) {
      view.center(robot.x, robot.y);
      card.focus();
    }
  }

  // Placing a robot: the form has the coordinates, the robot on the map follows them.

  function moveTo(robot, x, y) {
    Object.assign(robot, { x, y, isMoved: true });
    form.elements.x_m.value = window.urfmpFormat.plain(x, 2);
    form.elements.y_m.value = window.urfmpFormat.plain(y, 2);
    showRobot(robot);
  }

  function makeMovable(robot) {
    const { element } = robot;
    let offset = null;
    element.classList.add("u-dot--movable");
    element.tabIndex = 0;
    element.addEventListener("pointerdown", (event) => {
      const [x, y] = view.toPixels(robot.x, robot.y);
      offset = [event.clientX - x, event.clientY - y];
      element.setPointerCapture(event.pointerId);
    });
    element.addEventListener("pointermove", (event) => {
      if (offset && event.buttons) {
        moveTo(robot, ...view.toMetres(event.clientX - offset[0], event.clientY - offset[1]));
      }
    });
    for (const name of ["pointerup", "pointercancel"]) {
      element.addEventListener(name, () => { offset = null; });
    }
    element.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      const step = steps[event.key];
      if (step) {
        event.preventDefault();
        const metres = event.shiftKey ? LARGE_STEP_METRES : STEP_METRES;
        moveTo(robot, robot.x + step[0] * metres, robot.y + step[1] * metres);
        announcer.textContent = `${format(robot.x)}, ${format(robot.y)} metres`;
      }
    });
  }

  function showPlaced() {
    const id = form.dataset.placing;
    let robot = robots.get(id);
    const typed = ["x_m", "y_m"].map((name) => form.elements[name].value);
    const isTyped = typed.every((text) => text !== "" && Number.isFinite(Number(text)));
    if (!robot) {
      const [left, bottom, right, top] = view.box();
      const [x, y] = isTyped ? typed.map(Number) : [(left + right) / 2, (bottom + top) / 2];
      robot = addRobot({ id, name: form.dataset.name, status: "", heading: null, seen: null, severity: null, isReported: false, x, y });
      robot.isMoved = true;
    } else if (isTyped) {
      Object.assign(robot, { x: Number(typed[0]), y: Number(typed[1]), isMoved: robot.isMoved || form.contains(document.activeElement) });
    }
    showRobot(robot);
  }

  // Reading

  async function read() {
    isReading = true;
    dueAt = Infinity;
    const own = ++number;
    const startedAt = performance.now();
    const query = isFitted ? `?box=${[...view.box(), CLUSTER_PIXELS / view.scale].map((value) => window.urfmpFormat.plain(value, 3)).join(",")}` : "";
    try {
      const response = await fetch(`${data.robots}${query}`, { headers: { Accept: "application/json", "X-Unattended": "1" } });
      if (response.redirected) {
        window.urfmp.showConnection("ended");
        return;
      }
      if (response.ok && own === number) {
        apply(await response.json());
      }
      readAt = Date.now();
    } catch {
      // The next reading tries again.
    } finally {
      isReading = false;
    }
    pause = Math.max(MIN_PAUSE_MS, PAUSE_FACTOR * (performance.now() - startedAt));
    if (dueAt < Infinity) {
      schedule(Math.max(dueAt - Date.now(), 0));
    }
  }

  function apply(answer) {
    show(answer);
    if (!isFitted) {
      isFitted = true;
      view.fit(extent());
      if (form) {
        showPlaced();
      }
      if (data.focus) {
        view.scale = Math.max(view.scale, FOCUS_SCALE);
        view.center(...data.focus);
        select(selected);
      }
    }
  }

  function schedule(milliseconds) {
    const at = Date.now() + milliseconds;
    if (at < dueAt) {
      dueAt = at;
      clearTimeout(timer);
      if (!isReading) {
        timer = setTimeout(read, milliseconds);
      }
    }
  }

  // The list below the map

  const rowOf = (id) => document.querySelector(`#map-list [data-robot-id="${CSS.escape(id)}"]`);

  document.getElementById("map-list")?.addEventListener("click", (event) => {
    const row = event.target.closest("[data-show]")?.closest("[data-robot-id]");
    if (!row) {
      return;
    }
    const id = row.dataset.robotId;
    map.scrollIntoView({ block: "nearest" });
    if (robots.has(id)) {
      select(id, true);
    } else {
      location.search = `?robot=${id}`; // inside a cluster, or outside of the view
    }
  });

  // Events

  function onStatus(event) {
    const row = rowOf(event.robot_id);
    if (row) {
      window.urfmp.setBadge(row.querySelector(".u-badge"), event.status);
      if (event.last_seen) {
        window.urfmp.setTime(row.querySelector("[data-seen]"), event.last_seen);
      }
    }
    const robot = robots.get(event.robot_id);
    if (robot) {
      robot.status = event.status;
      if (event.last_seen && !robot.isReported) {
        robot.seen = Date.parse(event.last_seen) / 1000;
      }
      showRobot(robot);
    } else if (marks.length) {
      schedule(Math.max(readAt + pause - Date.now(), VIEW_DELAY_MS));
    }
  }

  function onTelemetry(event) {
    const robot = robots.get(event.robot_id);
    if (!robot) {
      return;
    }
    const newest = event.points.reduce((time, point) => Math.max(time, Date.parse(point.time)), 0);
    if (newest) {
      robot.seen = newest / 1000;
    }
    if (robot.isReported) {
      for (const { metric_name: name, value, unit } of event.points) {
        if (value === null) {
          continue;
        }
        if (name === "position.rz") {
          robot.heading = unit === "deg" ? (value * Math.PI) / 180 : value;
        } else if (name === "position.x" || name === "position.y") {
          const metres = value * (METRES[unit] ?? 0.001);
          if (Math.abs(metres) <= MAX_METRES) {
            robot[name.at(-1)] = metres;
          }
        }
      }
      const text = rowOf(robot.id)?.querySelector("[data-position]");
      if (text) {
        text.textContent = `${format(robot.x)}, ${format(robot.y)} m`;
      }
    }
    showRobot(robot);
  }

  map.addEventListener("click", (event) => {
    const button = event.target.closest("[data-zoom], [data-fit]");
    if (button) {
      if (button.dataset.zoom) {
        view.zoom(Number(button.dataset.zoom));
      } else {
        view.fit(extent());
      }
    }
  });
  form?.addEventListener("input", showPlaced);
  new ResizeObserver(draw).observe(stage);

  const handlers = {
    status: onStatus,
    telemetry: onTelemetry,
    connection: (event) => window.urfmp.showConnection(event.state),
    alert: () => schedule(Math.max(readAt + pause - Date.now(), VIEW_DELAY_MS)),
    reset: () => schedule(0),
  };
  window.urfmpStream.subscribe((event) => handlers[event.type]?.(event));
  setInterval(() => {
    robots.forEach(showRobot);
    if (!document.hidden && Date.now() - readAt >= MAX_AGE_MS) {
      schedule(0);
    }
  }, MIN_PAUSE_MS);
  read();
})();
