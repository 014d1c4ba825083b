// Pages of a robot: the event stream updates the header, and values and charts if there are any.
(() => {
  "use strict";

  const KEY = "urfmp-range";
  const page = document.getElementById("robot");
  const latest = window.urfmp.readJson("latest-values");
  const bar = document.querySelector("[data-view]");

  function storePreset({ preset }) {
    try {
      if (preset) {
        localStorage.setItem(KEY, preset);
      }
    } catch {
      // Without storage, only the URL keeps the range.
    }
  }

  // Selects the last used preset unless the URL has a range.
  function restorePreset() {
    try {
      const preset = localStorage.getItem(KEY);
      if (preset && !new URLSearchParams(location.search).has("range")) {
        bar.dataset.preset = bar.querySelector(`[data-preset="${CSS.escape(preset)}"]`) ? preset : bar.dataset.preset;
      }
    } catch {
      // Without storage, the default range stays selected.
    }
  }

  if (bar) {
    restorePreset();
  }
  const charts = bar ? new window.urfmp.Charts({ onRange: storePreset }) : null;

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
    charts?.add(event);
    let newest = "";
    for (const point of event.points) {
      latest[point.metric_name] = point.value;
      newest = point.time > newest ? point.time : newest;
    }
    window.urfmp.showValues(document, latest);
    if (newest) {
      window.urfmp.setTime(page.querySelector("[data-seen]"), newest);
    }
  }

  let wasLost = false;
  const handlers = {
    status: onStatus,
    telemetry: onTelemetry,
    reset: () => charts?.reload(),
    connection: ({ state }) => {
      window.urfmp.showConnection(state);
      if (state === "open" && wasLost) {
        charts?.reload();
      }
      wasLost = state === "lost";
    },
  };
  window.urfmpStream.subscribe((event) => {
    if (!event.robot_id || event.robot_id === page.dataset.robotId) {
      handlers[event.type]?.(event);
    }
  });
})();
