// The robot page: header, values and charts follow the stream.
(() => {
  "use strict";

  const KEY = "urfmp-range-seconds";
  const page = document.getElementById("robot");
  const latest = window.urfmp.readJson("latest-values");
  const charts = new window.urfmp.charts.Charts();
  charts.setClock(Date.parse(page.dataset.now));

  const buttons = [...page.querySelectorAll("[data-ranges] button")];

  function choose(seconds) {
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.seconds === seconds)));
    charts.showLast(1000 * Number(seconds));
  }

  function remembered() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  buttons.forEach((button) => button.addEventListener("click", () => {
    try {
      localStorage.setItem(KEY, button.dataset.seconds);
    } catch {
      // Without storage the range is kept for this page alone.
    }
    choose(button.dataset.seconds);
  }));

  function onStatus(event) {
    window.urfmp.setBadge(page.querySelector("[data-status] .u-badge"), event.status);
    page.querySelector("[data-status-frame]").dataset.value = event.status;
    const reason = page.querySelector("[data-reason]");
    reason.textContent = event.reason || "";
    reason.hidden = !event.reason;
    if (event.last_seen) {
      window.urfmp.setTime(page.querySelector("[data-seen]"), event.last_seen);
    }
  }

  function onTelemetry(event) {
    charts.add(event);
    let newest = "";
    for (const point of event.points) {
      latest[point.metric_name] = point.value;
      newest = point.time > newest ? point.time : newest;
    }
    window.urfmp.showValues(page, latest);
    if (newest) {
      window.urfmp.setTime(page.querySelector("[data-seen]"), newest);
    }
  }

  let wasLost = false;
  const handlers = {
    status: onStatus,
    telemetry: onTelemetry,
    reset: () => charts.reload(),
    connection: ({ state }) => {
      window.urfmp.showConnection(state);
      if (state === "open" && wasLost) {
        charts.reload();
      }
      wasLost = state === "lost";
    },
  };
  window.urfmpStream.subscribe((event) => {
    if (!event.robot_id || event.robot_id === page.dataset.robotId) {
      handlers[event.type]?.(event);
    }
  });

  if (buttons.length) {
    const wanted = remembered();
    choose(buttons.some((button) => button.dataset.seconds === wanted) ? wanted : buttons[0].dataset.seconds);
  }
})();
