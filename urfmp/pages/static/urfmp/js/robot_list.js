// Robot list: the event stream keeps status and last contact up to date. Without the stream the
// page says at what time its rows were read, and reads them again periodically.
(() => {
  "use strict";

  const REFRESH_MS = 30000;
  const ALERT_DELAY_MS = 1000;
  const asOf = document.querySelector("[data-as-of]");
  let timer = 0;
  let dueAt = 0;

  const seenOf = (id) => document.querySelector(`[data-seen][data-robot-id="${CSS.escape(id)}"]`);
  const badgeOf = (cell) => cell.closest("tr")?.querySelector('.u-badge[data-family="status"]');

  function showTime(time) {
    asOf.dateTime = time.toISOString();
    asOf.textContent = window.urfmpFormat.clock(time, true);
  }

  function onStatus(event) {
    const cell = seenOf(event.robot_id);
    if (!cell) {
      return;
    }
    if (event.last_seen) {
      window.urfmp.setTime(cell, event.last_seen);
    }
    const badge = badgeOf(cell);
    if (badge && badge.dataset.value !== "retired" && badge.dataset.value !== event.status) {
      window.urfmp.setBadge(badge, event.status);
    }
    showTime(new Date());
  }

  function onTelemetry(event) {
    const cell = seenOf(event.robot_id);
    const times = event.points.map((point) => point.time);
    if (cell && times.length && badgeOf(cell)?.dataset.value !== "offline") {
      window.urfmp.setTime(cell, times.reduce((one, other) => (one > other ? one : other)));
      showTime(new Date());
    }
  }

  // Copies status, alerts and last contact from a fresh page; the rows themselves stay.
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
          update(new DOMParser().parseFromString(await response.text(), "text/html"));
        }
      } catch {
        // The next refresh tries again; the page still shows the time of its rows.
      }
    }
    schedule(REFRESH_MS);
  }

  function update(page) {
    for (const fresh of page.querySelectorAll("[data-seen][data-robot-id]")) {
      const cell = seenOf(fresh.dataset.robotId);
      if (!cell) {
        continue;
      }
      cell.innerHTML = fresh.innerHTML;
      const [badge, newBadge] = [badgeOf(cell), badgeOf(fresh)];
      if (badge && newBadge) {
        badge.dataset.value = newBadge.dataset.value;
        badge.textContent = newBadge.textContent;
      }
    }
    for (const fresh of page.querySelectorAll("[data-marks][data-robot-id]")) {
      const cell = document.querySelector(`[data-marks][data-robot-id="${CSS.escape(fresh.dataset.robotId)}"]`);
      if (cell) {
        cell.innerHTML = fresh.innerHTML;
      }
    }
    showTime(new Date(page.querySelector("[data-as-of]").dateTime));
  }

  // A later request does not postpone an earlier one: events may follow without a pause.
  function schedule(milliseconds) {
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
    alert: () => schedule(ALERT_DELAY_MS),
    reset: () => schedule(0),
  };
  window.urfmpStream.subscribe((event) => handlers[event.type]?.(event));
  schedule(REFRESH_MS);
})();
