// The work on a task: entries are kept in the browser and sent in their order, once each. A rejected
// entry is shown with what was entered, and the user decides; nothing is overwritten silently.
(() => {
  "use strict";

  const store = window.urfmpWorkStore;
  const FIRST_RETRY_MILLISECONDS = 3_000;
  const MAX_RETRY_MILLISECONDS = 60_000;
  // A photo over a slow network; then the entry is sent again, with the same token.
  const SEND_MILLISECONDS = 120_000;
  // The server detects repetitions for 24 hours. After that, a repetition could be saved twice.
  const REPEATABLE_MILLISECONDS = 23 * 3_600_000;
  const TOKEN_BYTES = 16;
  // A second tab does not send the same entries at the same time.
  const LOCK = "urfmp-work-send";
  const OWNER = "owner";
  const PAGES_CACHE = "urfmp-work-1"; // as in service_worker/work.js
  const NOT_FOUND = "The task does not exist any more, or you may not change it.";
  const MAYBE_SAVED = "It may have been saved already. Check the task before you send it again.";
  let retryMilliseconds = FIRST_RETRY_MILLISECONDS;
  let retryTimer = 0;
  let isSending = false;
  let problem = "";

  const area = () => document.querySelector("[data-work]");
  const user = () => area().dataset.user;
  // Empty on the list of tasks, which only sends what the pages of tasks have kept.
  const task = () => area().dataset.task || "";
  const draftKey = (form) => `${user()} ${task()} ${form.dataset.draft}`;

  function newToken() {
    const bytes = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  const valueOf = (entry, name) => entry.fields.find(([field]) => field === name)?.[1];

  function enteredText(entry) {
    const shown = ["outcome", "number", "text", "minutes", "note", "reason"];
    const texts = entry.fields.filter(([name, value]) => shown.includes(name) && value).map(([, value]) => value);
    const files = entry.files.map((file) => file.fileName);
    return [...texts, ...files].join(", ");
  }

  async function entryOf(form, button) {
    const fields = [];
    const files = [];
    for (const [name, value] of new FormData(form, button)) {
      if (value instanceof File) {
        if (value.size) {
          // A copy: the file on the phone may be gone when it is sent.
          files.push({ name, fileName: value.name, blob: new Blob([await value.arrayBuffer()], { type: value.type }) });
        }
      } else if (!["csrfmiddlewaretoken", "form_token"].includes(name)) {
        fields.push([name, value]);
      }
    }
    return {
      user: user(), task: task(), url: location.pathname, label: form.dataset.queue, token: newToken(), fields, files,
      draft: form.dataset.draft ? draftKey(form) : "", state: "waiting", message: "", triedAt: 0,
    };
  }

  // A second entry of a step replaces the first one, unless the server may have saved that.
  async function keep(entry) {
    const step = valueOf(entry, "step");
    if (step && valueOf(entry, "act") === "record" && !isSending) {
      for (const other of await store.entries(user())) {
        const isUnsent = other.state === "waiting" && !other.triedAt;
        if (isUnsent && valueOf(other, "step") === step && valueOf(other, "act") === "record") {
          await store.remove(other.number);
        }
      }
    }
    await store.add(entry);
  }

  // Without a network, an attempt does not reach the server.
  async function markTried(entry) {
    if (entry.triedAt || !navigator.onLine) {
      return entry;
    }
    const tried = { ...entry, triedAt: Date.now() };
    await store.put(tried);
    return tried;
  }

  // Text that differs from the entry was typed later, and is kept.
  async function dropDraftOf(entry) {
    const draft = entry.draft && await store.draft(entry.draft);
    if (draft && draft.every(([name, value]) => valueOf(entry, name) === value)) {
      await store.dropDraft(entry.draft);
    }
  }

  function body(entry, csrf) {
    const data = new FormData();
    data.set("csrfmiddlewaretoken", csrf);
    data.set("form_token", entry.token);
    entry.fields.forEach(([name, value]) => data.append(name, value));
    entry.files.forEach((file) => data.append(file.name, file.blob, file.fileName));
    return data;
  }

  const isJson = (response) => (response.headers.get("Content-Type") || "").startsWith("application/json");

  async function send(entry, csrf) {
    return fetch(entry.url, {
      method: "POST", body: body(entry, csrf), credentials: "same-origin",
      headers: { Accept: "application/json" }, signal: AbortSignal.timeout(SEND_MILLISECONDS),
    });
  }

  async function freshPage(url) {
    const response = await fetch(url, { credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    return response.ok && page.querySelector("[data-work]") ? page : null;
  }

  const tokenOf = (root) => root.querySelector("[name=csrfmiddlewaretoken]")?.value || "";

  const isBusy = (response) => response.status >= 500 || [408, 425, 429].includes(response.status);

  // From the list of tasks: the page's own task may have been deleted. Another user's page has
  // another token and name.
  async function freshToken() {
    const page = await freshPage(area().dataset.list || location.href);
    return page?.querySelector("[data-work]").dataset.user === user() ? tokenOf(page) : "";
  }

  // Returns the response, or null if the session has ended.
  async function responseTo(entry) {
    const response = await send(entry, tokenOf(document));
    if (isJson(response) || isBusy(response)) {
      return response;
    }
    // The token of the form or the session may have ended.
    const csrf = await freshToken();
    return csrf ? send(entry, csrf) : null;
  }

  async function reject(entry, message, version) {
    await store.put({ ...entry, state: "rejected", message, version });
    if (entry.draft) {
      await store.keepDraft(entry.draft, entry.fields);
      await restoreDrafts();
    }
    return "rejected";
  }

  // Returns "sent", "rejected" or "later".
  async function deliver(waiting) {
    if (waiting.triedAt && Date.now() - waiting.triedAt > REPEATABLE_MILLISECONDS) {
      return reject(waiting, MAYBE_SAVED);
    }
    const entry = await markTried(waiting);
    const response = await responseTo(entry);
    if (!response) {
      await store.put(waiting); // without a session, nothing was saved
      problem = "Sign in again to send them.";
      return "later";
    }
    if (isBusy(response) || (response.ok && !isJson(response))) {
      problem = "The server is busy.";
      return "later";
    }
    if (!isJson(response)) {
      const isMissing = [403, 404].includes(response.status);
      return reject(entry, isMissing ? NOT_FOUND : `The server rejected the entry with status ${response.status}.`);
    }
    const answer = await response.json();
    if (!response.ok) {
      return reject(entry, (answer.errors || ["The entry was rejected."]).join(" "), answer.version);
    }
    await store.remove(entry.number);
    await setVersion(valueOf(entry, "step"), answer.version);
    return "sent";
  }

  // Entries that the user has made after this one know its result.
  async function setVersion(step, version) {
    if (!step || version === undefined) {
      return;
    }
    const input = area().querySelector(`[data-step="${step}"] [name=version]`);
    if (input) {
      input.value = version;
    }
    for (const later of await store.entries(user())) {
      if (later.state === "waiting" && valueOf(later, "step") === step) {
        await store.put({ ...later, fields: withVersion(later, version) });
      }
    }
  }

  function withVersion(entry, version) {
    return entry.fields.map(([name, value]) => [name, name === "version" ? String(version) : value]);
  }

  async function sendAll() {
    let sent = 0;
    for (;;) {
      const waiting = await store.entries(user());
      // After a rejected entry, the later ones of its task wait for the user's decision.
      const blocked = new Set(waiting.filter((e) => e.state === "rejected").map((e) => e.task));
      const next = waiting.find((e) => e.state === "waiting" && !blocked.has(e.task));
      if (!next) {
        retryMilliseconds = FIRST_RETRY_MILLISECONDS;
        return sent;
      }
      problem = "";
      let result = "later";
      try {
        result = await deliver(next);
      } catch {
        problem = "No connection.";
      }
      sent += result === "sent";
      if (result === "later") {
        clearTimeout(retryTimer);
        retryTimer = setTimeout(flush, retryMilliseconds);
        retryMilliseconds = Math.min(retryMilliseconds * 2, MAX_RETRY_MILLISECONDS);
        return sent;
      }
    }
  }

  async function flush() {
    if (isSending) {
      return;
    }
    isSending = true;
    try {
      const sent = await (navigator.locks ? navigator.locks.request(LOCK, sendAll) : sendAll());
      const left = await store.entries(user());
      if (sent && (!task() || !left.some((entry) => entry.task === task()))) {
        await refresh().catch(() => undefined);
      }
    } finally {
      isSending = false;
      await show();
    }
    const left = await store.entries(user());
    const blocked = new Set(left.filter((e) => e.state === "rejected").map((e) => e.task));
    if (!problem && left.some((e) => e.state === "waiting" && !blocked.has(e.task))) {
      flush(); // added while the others were sent
    }
  }

  // The server's page replaces this one; what is typed and not saved stays, as a draft.
  async function refresh() {
    const page = await freshPage(location.href);
    if (!page) {
      return;
    }
    const focused = document.activeElement;
    const place = focused?.closest("[data-step]")?.dataset.step;
    const wanted = focused?.id ? `#${CSS.escape(focused.id)}` : place && `[data-step="${place}"] [name="${focused.name}"]`;
    const isOpen = [...area().querySelectorAll("details[open]")].map((details) => details.id);
    area().replaceWith(document.importNode(page.querySelector("[data-work]"), true));
    isOpen.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    await restoreDrafts();
    if (wanted && area().contains(area().querySelector(wanted))) {
      area().querySelector(wanted).focus({ preventScroll: true });
    }
  }

  function button(text, act, isMain) {
    const element = document.createElement("button");
    element.type = "button";
    element.className = `u-button u-button--tall${isMain ? " u-button--main" : ""}`;
    element.textContent = text;
    element.addEventListener("click", act);
    return element;
  }

  function rejectedRow(entry) {
    const row = document.createElement("li");
    const main = document.createElement("div");
    main.className = "u-rows__main";
    const title = document.createElement("span");
    title.className = "u-strong";
    title.textContent = entry.label;
    const entered = document.createElement("p");
    entered.className = "u-rows__text";
    entered.textContent = `You entered: ${enteredText(entry) || "no values"}`;
    const reason = document.createElement("p");
    reason.className = "u-rows__text u-late";
    reason.textContent = entry.message;
    const acts = document.createElement("div");
    acts.className = "u-buttons";
    const again = async () => {
      const fields = entry.version === undefined ? entry.fields : withVersion(entry, entry.version);
      await dropDraftOf(entry);
      await store.put({ ...entry, fields, token: newToken(), triedAt: 0, state: "waiting", message: "" });
      flush();
    };
    const discard = async () => {
      await dropDraftOf(entry);
      await store.remove(entry.number);
      await flush();
      await refresh().catch(() => undefined);
    };
    acts.append(
      button(entry.version === undefined ? "Send again" : "Replace with my entry", again, true),
      button("Discard my entry", discard),
    );
    main.append(title, entered, reason, acts);
    row.append(main);
    return row;
  }

  async function show() {
    const all = await store.entries(user());
    const waiting = all.filter((entry) => entry.state === "waiting");
    const rejected = all.filter((entry) => entry.state === "rejected");
    const box = document.getElementById("unsent");
    box.hidden = !all.length || (!rejected.length && !problem);
    const note = document.getElementById("unsent-note");
    const count = waiting.length === 1 ? "1 entry is" : `${waiting.length} entries are`;
    const texts = [
      waiting.length ? `${count} kept on this device and not sent yet. ${problem}`.trim() : "",
      rejected.length ? "Decide about the entries that were not saved:" : "",
    ];
    note.textContent = texts.filter(Boolean).join(" ");
    document.getElementById("unsent-rows").replaceChildren(...rejected.map(rejectedRow));
    area().querySelectorAll("[data-waiting]").forEach((mark) => { mark.textContent = ""; });
    for (const entry of waiting.filter((e) => e.task === task())) {
      const row = area().querySelector(`[data-step="${valueOf(entry, "step")}"]`);
      if (row) {
        row.querySelector("[data-waiting]").textContent = "Not sent yet";
        press(row, valueOf(entry, "outcome"));
      }
    }
  }

  function press(row, outcome) {
    if (outcome) {
      row.querySelectorAll("[name=outcome]").forEach((choice) => {
        choice.setAttribute("aria-pressed", String(choice.value === outcome));
      });
    }
  }

  // On a shared phone, stored pages of another user are deleted.
  async function forgetOtherUsers() {
    const owner = await store.draft(OWNER);
    if (owner && owner !== user()) {
      await window.caches?.delete(PAGES_CACHE);
    }
    await store.keepDraft(OWNER, user());
  }

  async function restoreDrafts() {
    for (const form of area().querySelectorAll("form[data-draft]")) {
      const values = await store.draft(draftKey(form));
      for (const [name, value] of values || []) {
        const input = form.elements.namedItem(name);
        if (input && input.type !== "file" && input.type !== "hidden") {
          input.value = value;
        }
      }
    }
  }

  document.addEventListener("input", (event) => {
    const form = event.target.closest("[data-work] form[data-draft]");
    if (form) {
      const texts = [...new FormData(form)].filter(([name, value]) => (
        typeof value === "string" && !["csrfmiddlewaretoken", "form_token", "version", "act", "step"].includes(name)
      ));
      store.keepDraft(draftKey(form), texts).catch(() => undefined);
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-work] input[data-send]") && event.target.files.length) {
      event.target.form.requestSubmit();
    }
  }, true);

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("[data-work] form[data-queue]");
    if (!form || form.dataset.isPlain) {
      return;
    }
    event.preventDefault();
    try {
      const entry = await entryOf(form, event.submitter);
      await keep(entry);
      if (form.dataset.draft) {
        await store.dropDraft(draftKey(form));
      }
    } catch {
      // The browser keeps nothing here (private windows, full disk): send the form as it is.
      form.dataset.isPlain = "1";
      form.requestSubmit(event.submitter);
      return;
    }
    form.querySelectorAll("input[type=file]").forEach((input) => { input.value = ""; });
    form.closest("details")?.removeAttribute("open");
    await show();
    await flush();
  });

  window.addEventListener("online", () => {
    retryMilliseconds = FIRST_RETRY_MILLISECONDS;
    flush();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && area()) {
      flush();
    }
  });
  document.addEventListener("DOMContentLoaded", () => {
    if (!area()) {
      return;
    }
    forgetOtherUsers().then(restoreDrafts).then(flush).catch(() => undefined);
    if (window.urfmpWebApp?.isSupported) {
      window.urfmpWebApp.register().catch(() => undefined); // the page works without it
      window.urfmpWebApp.onSignOut(() => store.dropDrafts());
    }
  });
})();
