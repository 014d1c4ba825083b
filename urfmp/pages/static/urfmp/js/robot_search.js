// Suggests robots in fields that take a name: the server finds them, however large the fleet.
(() => {
  "use strict";

  const PAUSE_MS = 200;
  const MOST = 12;

  for (const field of document.querySelectorAll("[data-robot-search]")) {
    const list = document.getElementById(field.getAttribute("list"));
    let timer = 0;
    let latest = "";

    async function suggest() {
      const words = field.value.trim();
      latest = words;
      const query = new URLSearchParams({ name: words, fields: "id,name,model", page_size: String(MOST) });
      const response = await fetch(`/api/v1/robots?${query}`, { headers: { Accept: "application/json" } }).catch(() => null);
      if (!response?.ok || latest !== words) {
        return;
      }
      const { results } = await response.json();
      list.replaceChildren(...results.map((robot) => {
        const option = document.createElement("option");
        option.value = robot.name;
        option.label = robot.model ? `${robot.name}, ${robot.model}` : robot.name;
        return option;
      }));
    }

    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(suggest, PAUSE_MS);
    };
    field.addEventListener("input", later);
    field.addEventListener("focus", later, { once: true });
  }
})();
