// On every page: live relative times, copy buttons and helpers for the other scripts.
window.urfmp = (() => {
  "use strict";

  const { exact, relative: relativeTime, value: formatValue } = window.urfmpFormat;

  function refreshTimes() {
    for (const element of document.querySelectorAll("time.u-ago")) {
      const text = relativeTime(Date.now() - Date.parse(element.dateTime));
      if (element.textContent !== text) {
        element.textContent = text;
      }
    }
  }

  // Sets the relative time inside an element, and creates the <time> element if it is missing.
  function setTime(parent, time) {
    let element = parent.querySelector("time.u-ago");
    if (!element) {
      parent.textContent = "";
      element = document.createElement("time");
      element.className = "u-ago";
      parent.append(element);
    }
    element.dateTime = time;
    element.title = exact(Date.parse(time));
    element.textContent = relativeTime(Date.now() - Date.parse(time));
  }

  function label(status) {
    const words = status.replaceAll("_", " ");
    return words.charAt(0).toUpperCase() + words.slice(1);
  }

  function setBadge(badge, status) {
    badge.dataset.value = status;
    badge.textContent = label(status);
  }

  // Each element shows the maximum of the metrics that it names.
  function showValues(root, latest) {
    for (const element of root.querySelectorAll("[data-metrics]")) {
      const known = element.dataset.metrics.split(" ").map((name) => latest[name]);
      const numbers = known.filter((value) => typeof value === "number");
      if (numbers.length) {
        const { factor = 1, offset = 0, decimals } = element.dataset;
        const shown = Math.max(...numbers) * Number(factor) + Number(offset);
        const text = formatValue(shown, decimals === undefined ? undefined : Number(decimals));
        if (element.textContent !== text) {
          element.textContent = text;
        }
      }
    }
  }

  const CONNECTION = { open: "Live", lost: "Reconnecting…", ended: "Disconnected" };

  function showConnection(state) {
    for (const element of document.querySelectorAll("[data-connection]")) {
      element.dataset.state = state;
      element.textContent = CONNECTION[state];
    }
    if (state === "ended") {
      showSessionEnded();
    }
  }

  // Live updates have stopped: the notice must be visible from a distance.
  function showSessionEnded() {
    const signIn = document.querySelector('meta[name="urfmp-live"]')?.dataset.signIn;
    if (!signIn || document.querySelector(".u-ended")) {
      return;
    }
    const note = document.createElement("div");
    note.className = "u-ended";
    note.setAttribute("role", "alert");
    const link = document.createElement("a");
    link.className = "u-button u-button--main";
    link.href = `${signIn}?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = "Sign in again";
    note.append("Your session has expired. This page is no longer up to date.", link);
    document.body.append(note);
  }

  function readJson(id) {
    const element = document.getElementById(id);
    return element ? JSON.parse(element.textContent) : {};
  }

  function copyFrom(button) {
    const source = document.querySelector(button.dataset.copy);
    const note = button.querySelector("[data-copy-label]") || button;
    const selected = window.getSelection();
    selected.selectAllChildren(source);
    const done = () => { note.textContent = "Copied"; };
    if (navigator.clipboard) {
      navigator.clipboard.writeText(source.textContent).then(done, () => {
        note.textContent = "Press Ctrl+C";
      });
    } else {
      note.textContent = "Press Ctrl+C";
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) {
      copyFrom(button);
    }
  });
  // The theme expects a text field beside each file input, which those of the pages do not have.
  document.addEventListener("change", (event) => {
    if (event.target.matches("input[type=file].u-input")) {
      event.stopPropagation();
    }
  }, true);

  // Controls of the theme that are links without a target or plain elements: keyboards and screen
  // readers reach them as buttons.
  function nameControls() {
    document.querySelectorAll("[x-on\\:click]:not(button, [href], [role], li)").forEach((control) => {
      if (!control.textContent.trim()) {
        return; // backgrounds that close an overlay; Escape closes it too
      }
      control.setAttribute("role", "button");
      control.tabIndex = 0;
      control.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          control.click();
        }
      });
    });
    // An icon is the name of a symbol, which would be read out as text.
    document.querySelectorAll(".material-symbols-outlined:not([aria-hidden])").forEach((icon) => {
      const control = icon.closest("a, button, [role=button]");
      icon.setAttribute("aria-hidden", "true");
      const words = [...(control?.querySelectorAll("*") || []), control].filter((e) => e && !e.matches(".material-symbols-outlined"))
        .flatMap((e) => [...e.childNodes]).filter((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
      if (control && !words.length && !control.hasAttribute("aria-label") && !control.querySelector("img[alt]")) {
        control.setAttribute("aria-label", control.title || icon.textContent.trim().replaceAll("_", " "));
      }
    });
    // Select2 names its box after the selected row, which is empty at first.
    document.querySelectorAll(".select2-selection[role=combobox]").forEach((box) => {
      const select = box.closest(".select2")?.previousElementSibling;
      const label = select?.id && document.querySelector(`label[for="${select.id}"]`);
      if (label) {
        label.id ||= `${select.id}_label`;
        box.setAttribute("aria-labelledby", `${label.id} ${box.getAttribute("aria-labelledby") || ""}`.trim());
        box.querySelector("[role=textbox]")?.setAttribute("aria-labelledby", label.id);
      } else {
        box.setAttribute("aria-label", select?.title || select?.name || "Choose");
      }
    });
  }

  // Keyboards scroll a focused element only.
  function focusScrollingAreas() {
    document.querySelectorAll(".u-scroll").forEach((area) => {
      const isScrolling = area.scrollWidth > area.clientWidth;
      area.toggleAttribute("tabindex", isScrolling);
      if (isScrolling) {
        area.tabIndex = 0;
        area.setAttribute("role", "group");
        area.setAttribute("aria-label", area.closest("section")?.querySelector("h2")?.textContent || "Table");
      }
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    // SimpleBar makes each scrolling area a region: they need different names.
    document.querySelectorAll("[data-simplebar]").forEach((area, index) => {
      const isMenu = area.id === "nav-sidebar-apps";
      const isFilter = area.closest("#changelist-filter");
      area.dataset.simplebarAriaLabel = isMenu ? "Menu" : isFilter ? "Filters" : area.querySelector("table") ? "List" : `Scrollable area ${index}`;
    });
    refreshTimes();
    setInterval(refreshTimes, 1000);
  });
  window.addEventListener("load", () => {
    nameControls();
    focusScrollingAreas();
  });
  window.addEventListener("resize", focusScrollingAreas);

  return { formatValue, label, readJson, relativeTime, setBadge, setTime, showConnection, showSessionEnded, showValues };
})();
