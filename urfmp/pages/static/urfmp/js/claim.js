// Shows the claim code of a scanned address, and the robot's state once it has exchanged the code.
(() => {
  "use strict";

  const INTERVAL_MILLISECONDS = 3000;
  // The code follows the `#`, so it never reaches a server.
  const code = decodeURIComponent(location.hash.slice(1)).trim();

  function showCode(panel) {
    if (!/^[0-9A-Za-z -]{16,40}$/.test(code)) {
      return;
    }
    const area = panel.querySelector("[data-claim]");
    if (!area) {
      panel.querySelector("[data-claim-ended]")?.removeAttribute("hidden");
      return;
    }
    area.querySelectorAll("[data-claim-code]").forEach((element) => {
      element.textContent = code;
    });
    area.hidden = false;
    panel.querySelector("[data-claim-missing]")?.remove();
    // Removes the code from the address, so that it is not stored in the history.
    history.replaceState(null, "", location.pathname);
  }

  async function stateChanged(panel) {
    const answer = await fetch(location.pathname, { credentials: "same-origin", headers: { "X-Unattended": "1" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("claim");
    if (!answer.ok || !next || next.dataset.state === panel.dataset.state) {
      return false;
    }
    panel.replaceWith(document.importNode(next, true));
    return true;
  }

  async function follow() {
    const panel = document.getElementById("claim");
    showCode(panel);
    while (panel.dataset.state === "waiting") {
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MILLISECONDS));
      if (await stateChanged(panel).catch(() => false)) {  // offline: try again
        return;
      }
    }
  }

  follow();
})();
