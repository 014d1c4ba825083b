// Commands on any page: the event stream updates state and progress at once. Parts with
// [data-commands] list commands; after a change of state, and when a new command appears, they are
// read again.
(() => {
  "use strict";

  const REFRESH_MS = 500;
  const RETRY_MS = 3000;
  // Without Redis the stream has no commands, only the statuses and values of robots.
  const MAX_AGE_MS = 30000;
  // A slow server is asked less often: reading takes at most a fifth of the time.
  const PAUSE_FACTOR = 4;
  const states = new Map(); // version and status of each command, by its id
  const waiting = new Set(); // names of parts to read again
  let timer = 0;
  let isReading = false;
  let pause = REFRESH_MS;
  let readAt = Date.now();

  const partsOf = (root) => root.querySelectorAll("[data-commands]");

  function readStates() {
    for (const element of document.querySelectorAll("[data-command-id][data-version]")) {
      const { commandId, version, status } = element.dataset;
      if (Number(version) > (states.get(commandId)?.version ?? 0)) {
        states.set(commandId, { version: Number(version), status });
      }
    }
  }

  function show(event) {
    for (const element of document.querySelectorAll(`[data-command-id="${CSS.escape(event.command_id)}"]`)) {
      const badge = element.querySelector('.u-badge[data-family="command"]');
      if (badge && badge.dataset.value !== event.status) {
        window.urfmp.setBadge(badge, event.status);
      }
      const bar = element.querySelector("progress");
      if (bar) {
        bar.hidden = event.status !== "executing" || event.progress === null || event.progress === undefined;
        bar.value = event.progress ?? 0;
      }
    }
  }

  function onCommand(event) {
    const known = states.get(event.command_id);
    if (known && known.version >= event.version) {
      return;
    }
    states.set(event.command_id, { version: event.version, status: event.status });
    show(event);
    if (known?.status === event.status) {
      return; // progress alone
    }
    for (const part of partsOf(document)) {
      const { robot, command } = part.dataset;
      if ((!robot || robot === event.robot_id) && (!command || command === event.command_id)) {
        waiting.add(part.dataset.commands);
      }
    }
    if (waiting.size) {
      schedule(pause);
    }
  }

  function readAll() {
    partsOf(document).forEach((part) => waiting.add(part.dataset.commands));
    schedule(pause);
  }

  function schedule(milliseconds) {
    if (!isReading) {
      timer ||= setTimeout(refresh, milliseconds);
    }
  }

  // A part that is in use waits, so that neither focus nor selection is lost.
  const isInUse = (part) => part.contains(document.activeElement) || part.querySelector("input:checked") !== null;

  // The rows of a change list alone are replaced: the theme has initialized the table.
  function replaceContent(part, fresh) {
    const [table, freshTable] = [part, fresh].map((item) => item.querySelector("table.result-list"));
    if (table && freshTable) {
      table.querySelectorAll(":scope > tbody").forEach((row) => row.remove());
      table.append(...freshTable.querySelectorAll(":scope > tbody"));
    } else {
      part.innerHTML = fresh.innerHTML;
    }
  }

  async function refresh() {
    timer = 0;
    isReading = true;
    const startedAt = performance.now();
    const names = new Set(waiting);
    waiting.clear();
    try {
      const headers = { Accept: "text/html", "X-Unattended": "1" };
      const response = await fetch(location.href, { headers });
      if (response.redirected) {
        window.urfmp.showConnection("ended");
      } else if (response.ok) {
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        for (const part of partsOf(document)) {
          const name = part.dataset.commands;
          const fresh = page.querySelector(`[data-commands="${CSS.escape(name)}"]`);
          if (!names.has(name) || !fresh) {
            continue;
          }
          if (isInUse(part)) {
            waiting.add(name);
          } else {
            replaceContent(part, fresh);
          }
        }
        readStates();
        readAt = Date.now();
      }
    } catch {
      names.forEach((name) => waiting.add(name));
    }
    isReading = false;
    pause = Math.max(REFRESH_MS, PAUSE_FACTOR * (performance.now() - startedAt));
    if (waiting.size) {
      schedule(Math.max(RETRY_MS, pause));
    }
  }

  readStates();
  window.urfmpStream.subscribe((event) => {
    if (event.type === "command") {
      onCommand(event);
    } else if (event.type === "reset") {
      readAll();
    } else if (event.type === "connection") {
      window.urfmp.showConnection(event.state);
    }
  });
  setInterval(() => {
    if (!document.hidden && Date.now() - readAt >= MAX_AGE_MS) {
      readAll();
    }
  }, MAX_AGE_MS / 6);
})();
