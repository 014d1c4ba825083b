// Shows the progress of an import: reads the page again while the import is active.
(() => {
  "use strict";

  const INTERVAL_MILLISECONDS = 1500;

  async function refresh() {
    const response = await fetch(location.href, { credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const current = document.getElementById("import");
    const next = page.getElementById("import");
    // A button that has the focus keeps it.
    if (response.ok && next && !current.contains(document.activeElement)) {
      current.replaceWith(document.importNode(next, true));
    }
  }

  async function follow() {
    while (document.getElementById("import").hasAttribute("data-active")) {
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MILLISECONDS));
      await refresh().catch(() => undefined);  // offline: try again
    }
  }

  follow();
})();
