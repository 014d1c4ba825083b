// Suggests robots in name fields. The server searches, so the fleet may be of any size.
(() => {
  "use strict";

  const DEBOUNCE_MS = 200;
  const MAX_SUGGESTIONS = 12;

  for (const field of document.querySelectorAll("[data-robot-search]")) {
    const list = document.getElementById(field.getAttribute("list"));
    let timer = 0;
    let latest = "";

    async function suggest() {
      const text = field.value.trim();
      latest = text;
      const query = new URLSearchParams({ name: text, fields: "id,name,model", page_size: String(MAX_SUGGESTIONS) });
      const response = await fetch(`/api/v1/robots?${query}`, { headers: { Accept: "application/json" } }).catch(() => null);
      if (!response?.ok || latest !== text) {
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

    const suggestDebounced = () => {
      clearTimeout(timer);
      timer = setTimeout(suggest, DEBOUNCE_MS);
    };
    field.addEventListener("input", suggestDebounced);
    field.addEventListener("focus", suggestDebounced, { once: true });
  }
})();
