// The inbox: live, actions without a reload, and keys. Without this script its forms work as well.
(() => {
  "use strict";

  const REFRESH_DELAY_MS = 700;
  const REFRESH_MS = 30000;
  const KEY = "urfmp-inbox-keys";
  const inbox = document.querySelector("[data-inbox]");
  const help = document.querySelector("[data-keys]");
  const mayAct = Boolean(inbox.querySelector("[data-help]"));
  const address = inbox.getAttribute("action"); // `inbox.action` would be its buttons
  let timer = 0;
  let dueAt = 0;
  let isBusy = false;

  const part = (name, root = document) => root.querySelector(`[data-inbox-part="${name}"]`);
  const rows = () => [...inbox.querySelectorAll("[data-row]")].filter((row) => row.getClientRects().length);
  const checks = (root = inbox) => [...root.querySelectorAll('input[name="alert"], input[name="group"]')];
  const selected = () => checks().filter((check) => check.checked);
  const identity = (check) => `${check.name} ${check.value}`;

  function showSelected() {
    const count = selected().length;
    const note = inbox.querySelector("[data-selected]");
    if (note) {
      note.hidden = !count;
      note.textContent = `${count} selected`;
    }
  }

  // Replaces the list by that of a fresh page. Selection, open groups and focus stay.
  function replace(page, { withNotice = false } = {}) {
    const marked = new Set(withNotice ? [] : selected().map(identity));
    const open = new Set([...inbox.querySelectorAll("details[open]")].map((group) => group.dataset.group));
    const focused = document.activeElement;
    const row = focused.closest?.("[data-inbox-part=list]") && focused.closest(".u-inbox__alert, details")?.querySelector("[data-row]");
    const index = rows().indexOf(row);
    const isOnRow = focused === row;
    part("list").replaceWith(part("list", page));
    if (withNotice) {
      part("notice").replaceChildren(...part("notice", page).childNodes);
    }
    inbox.querySelectorAll("details").forEach((group) => { group.open = open.has(group.dataset.group); });
    checks().forEach((check) => { check.checked = marked.has(identity(check)); });
    showSelected();
    if (row) {
      const now = rows();
      const same = now.find((other) => other.dataset.row === row.dataset.row);
      const next = same ?? now[Math.min(Math.max(index, 0), now.length - 1)];
      if (isOnRow || !same) {
        next?.focus();
      } else {
        (next.closest(".u-inbox__alert, details").querySelector(focused.matches("input") ? "input" : "button") ?? next).focus();
      }
    }
  }

  async function load(options) {
    const response = await fetch(address, { ...options, headers: { Accept: "text/html", ...options?.headers } });
    if (response.redirected || response.status === 401) {
      window.urfmp.showSessionEnded();
      throw new Error("The session has expired.");
    }
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (!part("list", page)) {
      throw new Error(`The server answered ${response.status}. Reload the page to try again.`);
    }
    return page;
  }

  async function refresh() {
    timer = 0;
    if (!document.hidden && !isBusy) {
      try {
        const page = await load({ headers: { "X-Unattended": "1" } });
        if (!isBusy) {
          replace(page);
        }
      } catch {
        // The next refresh tries again.
      }
    }
    schedule(REFRESH_MS);
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

  async function send(data) {
    if (isBusy) {
      return;
    }
    isBusy = true;
    try {
      replace(await load({ method: "POST", body: data }), { withNotice: true });
    } catch (error) {
      const note = document.createElement("p");
      note.className = "u-note";
      note.setAttribute("role", "alert");
      note.textContent = error.message;
      part("notice").replaceChildren(note);
    }
    isBusy = false;
  }

  inbox.addEventListener("submit", (event) => {
    event.preventDefault();
    send(new FormData(inbox, event.submitter));
  });
  inbox.addEventListener("change", (event) => {
    if (event.target.name === "group") {
      checks(event.target.closest("li")).forEach((check) => { check.checked = event.target.checked; });
    }
    showSelected();
  });
  document.querySelector("[data-inbox-filters]").addEventListener("change", (event) => event.target.form.requestSubmit());

  // Keys

  function move(step) {
    const all = rows();
    const index = all.indexOf(document.activeElement.closest("[data-row]"));
    all[index < 0 ? 0 : Math.min(Math.max(index + step, 0), all.length - 1)]?.focus();
  }

  const focusedCheck = () => document.activeElement.closest(".u-inbox__alert, .u-inbox__group")?.querySelector("input[type=checkbox]");

  function act(action, values = {}) {
    const data = new FormData(inbox);
    const check = focusedCheck();
    if (!selected().length && check) {
      data.append(check.name, check.value);
    }
    for (const [name, value] of Object.entries({ action, ...values })) {
      data.set(name, value);
    }
    send(data);
  }

  const keys = {
    j: () => move(1),
    k: () => move(-1),
    "?": () => help.showModal(),
    ...(mayAct ? {
      x: () => focusedCheck()?.click(),
      a: () => act("acknowledge"),
      m: () => act("assign", { assigned_to: "me" }),
      s: () => act("snooze"),
      e: () => act("resolve"),
      u: () => part("notice").querySelector("[name=undo]")?.click(),
    } : {}),
  };

  function areKeysOn() {
    try {
      return localStorage.getItem(KEY) !== "off";
    } catch {
      return true; // without storage the keys stay on
    }
  }

  const toggle = help.querySelector("[data-keys-on]");
  toggle.checked = areKeysOn();
  toggle.addEventListener("change", () => {
    try {
      localStorage.setItem(KEY, toggle.checked ? "on" : "off");
    } catch {
      // Without storage, the choice lasts as long as the page.
    }
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("input:not([type=checkbox]), select, textarea, [contenteditable]");
    if (isTyping || help.open || !toggle.checked || event.altKey || event.ctrlKey || event.metaKey || !(event.key in keys)) {
      return;
    }
    event.preventDefault();
    keys[event.key]();
  });
  const button = inbox.querySelector("[data-help]");
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => help.showModal());
  }

  showSelected();
  window.urfmpStream.subscribe((event) => {
    if (event.type === "alert") {
      schedule(REFRESH_DELAY_MS);
    } else if (event.type === "reset") {
      schedule(0);
    }
  });
  schedule(REFRESH_MS);
})();
