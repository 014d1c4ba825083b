// Home page: the event stream updates cards and counts; panels are refreshed periodically.
(() => {
  "use strict";

  const REFRESH_MS = 30000;
  const URGENT_REFRESH_MS = 2000;
  const ALERT_REFRESH_MS = 700;
  const URGENT_STATUSES = new Set(["error", "emergency_stop"]);

  const home = document.getElementById("home");
  const latest = window.urfmp.readJson("latest-values");
  let timer = 0;
  let dueAt = 0;

  const cardOf = (id) => home.querySelector(`.u-card[data-robot-id="${CSS.escape(id)}"]`);

  function updateCounts() {
    if (!("complete" in home.dataset)) {
      return;
    }
    const counts = {};
    const cards = home.querySelectorAll(".u-card");
    for (const card of cards) {
      counts[card.dataset.value] = (counts[card.dataset.value] || 0) + 1;
    }
    for (const tile of home.querySelectorAll("[data-tile]")) {
      const count = String(counts[tile.dataset.tile] || 0);
      tile.dataset.count = count;
      tile.querySelector("b").textContent = count;
    }
    home.querySelector("[data-connected]").textContent = cards.length - (counts.offline || 0);
  }

  function onStatus(event) {
    const card = cardOf(event.robot_id);
    if (!card) {
      return;
    }
    if (event.last_seen) {
      window.urfmp.setTime(card.querySelector("[data-seen]"), event.last_seen);
    }
    if (card.dataset.value === event.status) {
      return;
    }
    card.dataset.value = event.status;
    window.urfmp.setBadge(card.querySelector(".u-badge"), event.status);
    card.classList.remove("u-flash");
    void card.offsetWidth; // restarts the animation
    card.classList.add("u-flash");
    updateCounts();
    if (URGENT_STATUSES.has(event.status)) {
      const name = card.querySelector(".u-card__name").textContent;
      document.querySelector("[data-announce]").textContent = `${name}: ${window.urfmp.label(event.status)}`;
      scheduleRefresh(URGENT_REFRESH_MS);
    }
  }

  function onTelemetry(event) {
    const card = cardOf(event.robot_id);
    if (!card) {
      return;
    }
    const known = (latest[event.robot_id] ||= {});
    let newest = "";
    for (const point of event.points) {
      known[point.metric_name] = point.value;
      newest = point.time > newest ? point.time : newest;
    }
    window.urfmp.showValues(card, known);
    if (newest && card.dataset.value !== "offline") {
      window.urfmp.setTime(card.querySelector("[data-seen]"), newest);
    }
  }

  // Alerts and tasks are not in the stream as a whole: fetches the page again and replaces its panels,
  // except for a panel that has the focus.
  async function refresh() {
    timer = 0;
    if (!document.hidden) {
      try {
        const headers = { Accept: "text/html", "X-Unattended": "1" };
        const response = await fetch(location.href, { headers });
        if (response.redirected) {
          window.urfmp.showConnection("ended");
          return;
        }
        if (response.ok) {
          replaceContent(new DOMParser().parseFromString(await response.text(), "text/html"));
        }
      } catch {
        // The next refresh tries again.
      }
    }
    scheduleRefresh(REFRESH_MS);
  }

  function replaceContent(page) {
    for (const part of home.querySelectorAll("[data-refresh]")) {
      const fresh = page.querySelector(`[data-refresh="${part.dataset.refresh}"]`);
      if (fresh && !part.contains(document.activeElement)) {
        part.innerHTML = fresh.innerHTML;
      }
    }
    for (const fresh of page.querySelectorAll("#home .u-card")) {
      const card = cardOf(fresh.dataset.robotId);
      if (card) {
        card.dataset.value = fresh.dataset.value;
        card.toggleAttribute("data-alert", "alert" in fresh.dataset);
        if ("alert" in fresh.dataset) {
          card.dataset.alert = fresh.dataset.alert;
        }
        card.innerHTML = fresh.innerHTML;
      }
    }
    updateCounts();
  }

  // A later request does not postpone an earlier one: events may follow without a pause.
  function scheduleRefresh(milliseconds) {
    const at = Date.now() + milliseconds;
    if (!timer || at < dueAt) {
      clearTimeout(timer);
      dueAt = at;
      timer = setTimeout(refresh, milliseconds);
    }
  }

  const handlers = {
    status: onStatus,
    telemetry: onTelemetry,
    connection: (event) => window.urfmp.showConnection(event.state),
    alert: () => scheduleRefresh(ALERT_REFRESH_MS),
    reset: () => scheduleRefresh(0),
  };
  window.urfmpStream.subscribe((event) => handlers[event.type]?.(event));
  scheduleRefresh(REFRESH_MS);
})();
