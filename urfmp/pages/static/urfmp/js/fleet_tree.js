// Fleet tree: loads the places below a node when it is opened for the first time; the link in the
// node does the same without this script. After a change of status, counts and worst states of the
// visible places are read again.
(() => {
  "use strict";

  const MIN_PAUSE_MS = 5000;
  const MAX_AGE_MS = 60000;
  // A slow server is asked less often: reading takes at most a tenth of the time.
  const PAUSE_FACTOR = 9;

  const tree = document.getElementById("fleet-tree");
  const announcer = document.querySelector("[data-announce]");
  let pause = MIN_PAUSE_MS;
  let readAt = Date.now();
  let timer = 0;
  let isReading = false;

  async function fetchPage(address, headers = {}) {
    const response = await fetch(address, { headers: { Accept: "text/html", ...headers } });
    if (response.redirected || !response.ok) {
      throw new Error(response.redirected ? "session" : `status ${response.status}`);
    }
    return new DOMParser().parseFromString(await response.text(), "text/html");
  }

  async function load(node) {
    const waiting = node.querySelector(":scope > .u-tree__load");
    if (!waiting || node.hasAttribute("aria-busy")) {
      return;
    }
    node.setAttribute("aria-busy", "true");
    try {
      const page = await fetchPage(node.dataset.address);
      waiting.replaceWith(...page.getElementById("fleet-tree").childNodes);
      const count = node.querySelectorAll(":scope > .u-tree > li").length;
      announcer.textContent = `${count} ${node.dataset.kind} loaded.`;
    } catch {
      // The link opens the page, which says what is wrong.
      announcer.textContent = "Not loaded. Use the link.";
    } finally {
      node.removeAttribute("aria-busy");
    }
  }

  // Copies what a place shows; what is open below it stays open.
  function updateNode(node, fresh) {
    for (const part of ["summary", ".u-tree__leaf"]) {
      const [own, other] = [node, fresh].map((item) => item.querySelector(`:scope > ${part}, :scope > details > ${part}`));
      if (own && other && own.innerHTML !== other.innerHTML) {
        own.innerHTML = other.innerHTML;
      }
    }
    const [robots, freshRobots] = [node, fresh].map((item) => item.querySelector(":scope > .u-tree__robots"));
    if (robots.textContent !== freshRobots.textContent) {
      robots.replaceWith(freshRobots);
    }
  }

  function updateList(parent, page) {
    const list = parent.querySelector(":scope > .u-tree");
    const freshList = page.querySelector("#fleet-tree > .u-tree");
    if (!list || !freshList) {
      return;
    }
    const known = new Map([...list.children].map((node) => [node.dataset.name, node]));
    const nodes = [...freshList.children].map((fresh) => {
      const node = known.get(fresh.dataset.name);
      // A place whose robots have come or gone changes between a node and a leaf.
      if (!node || Boolean(node.querySelector(":scope > details")) !== Boolean(fresh.querySelector(":scope > details"))) {
        return fresh;
      }
      updateNode(node, fresh);
      return node;
    });
    const isSame = nodes.length === known.size && nodes.every((node, index) => node === list.children[index]);
    if (!isSame && !list.contains(document.activeElement)) {
      list.replaceChildren(...nodes);
    }
  }

  async function refresh() {
    if (document.hidden) {
      schedule();
      return;
    }
    isReading = true;
    const startedAt = performance.now();
    const headers = { "X-Unattended": "1" };
    try {
      const page = await fetchPage(location.href, headers);
      updateList(tree, page);
      document.querySelector("[data-tree-count]").textContent = page.querySelector("[data-tree-count]").textContent;
      for (const node of tree.querySelectorAll("details[open]")) {
        // Places below a closed node are not visible; they are read again with the next change.
        if (node.checkVisibility() && node.querySelector(":scope > .u-tree")) {
          updateList(node, await fetchPage(node.dataset.address, headers));
        }
      }
      readAt = Date.now();
      document.querySelector("[data-as-of]").replaceWith(page.querySelector("[data-as-of]"));
    } catch (error) {
      if (error.message === "session") {
        window.urfmp.showConnection("ended");
        return;
      }
      // The next change or the next minute tries again.
    } finally {
      isReading = false;
    }
    pause = Math.max(MIN_PAUSE_MS, PAUSE_FACTOR * (performance.now() - startedAt));
  }

  function schedule() {
    if (!isReading && !timer) {
      timer = setTimeout(() => {
        timer = 0;
        refresh();
      }, Math.max(0, readAt + pause - Date.now(), pause / 10));
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

  window.urfmpStream.subscribe((event) => {
    if (event.type === "connection") {
      window.urfmp.showConnection(event.state);
    } else if (["status", "alert", "reset"].includes(event.type)) {
      schedule();
    }
  });
  // Without a stream, and for robots that are added or moved.
  setInterval(() => {
    if (Date.now() - readAt >= MAX_AGE_MS) {
      schedule();
    }
  }, MIN_PAUSE_MS);
})();
