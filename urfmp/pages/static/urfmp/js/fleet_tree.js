// Fleet tree: loads the places below a node when it is opened for the first time. The link in the
// node does the same without this script.
(() => {
  "use strict";

  const tree = document.getElementById("fleet-tree");
  const announcer = document.querySelector("[data-announce]");

  async function load(node) {
    const waiting = node.querySelector(":scope > .u-tree__load");
    if (!waiting || node.hasAttribute("aria-busy")) {
      return;
    }
    const link = waiting.querySelector("a");
    node.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(link.href, { headers: { Accept: "text/html" } });
      if (response.redirected || !response.ok) {
        throw new Error(`status ${response.status}`);
      }
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const part = page.getElementById("fleet-tree");
      waiting.replaceWith(...part.childNodes);
      const count = node.querySelectorAll(":scope > .u-tree > li").length;
      announcer.textContent = `${count} ${node.dataset.kind} loaded.`;
    } catch {
      // The link opens the page, which says what is wrong.
      announcer.textContent = "Not loaded. Use the link.";
    } finally {
      node.removeAttribute("aria-busy");
    }
  }

  tree.addEventListener(
    "toggle",
    (event) => {
      if (event.target.open) {
        load(event.target);
      }
    },
    true, // the event does not bubble
  );
})();
