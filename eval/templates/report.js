"use strict";
// Filters of the questions. The state stands behind the anchor, "#q-12?kind=date": a file's address takes no query.
(() => {
  const form = document.getElementById("filters");
  const count = document.getElementById("count");
  const questions = [...document.querySelectorAll("#list > .question")];
  const words = new Map();
  const exact = ["kind", "variant", "language", "document", "answerable", "differs"];

  const fold = (text) => text.normalize("NFKC").toLowerCase();
  const wordsOf = (question) => {
    if (!words.has(question)) {
      const texts = [...question.querySelectorAll(":scope > .tags, [lang]:not(.others *)")].map((one) => one.textContent);
      words.set(question, fold(texts.join("\n")));
    }
    return words.get(question);
  };

  const chosen = () => {
    const state = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      if (value.trim() && !(name === "system" && value === "0")) state.set(name, value);
    }
    return state;
  };

  const matches = (question, state) => {
    const at = Number(state.get("system") || 0);
    return (
      exact.every((name) => !state.has(name) || question.dataset[name] === state.get(name)) &&
      ["outcome", "stage"].every((name) => !state.has(name) || question.dataset[name].split(" ")[at] === state.get(name)) &&
      fold(state.get("text") || "").split(/\s+/).every((word) => wordsOf(question).includes(word))
    );
  };

  const show = () => {
    const state = chosen();
    let shown = 0;
    for (const question of questions) {
      question.hidden = !matches(question, state);
      shown += !question.hidden;
    }
    const all = questions.length;
    count.textContent = shown === all ? `${all} questions` : `${shown} of ${all} questions`;
  };

  const keep = (anchor) => {
    const state = chosen().toString();
    const hash = anchor || state ? `#${anchor}${state ? `?${state}` : ""}` : " ";
    if (location.hash !== hash.trim()) history.replaceState(null, "", hash === " " ? location.pathname : hash);
  };

  const fill = (state) => {
    for (const field of form.elements) {
      if (!field.name) continue;
      if (field.type === "checkbox") field.checked = state.get(field.name) === field.value;
      else field.value = state.get(field.name) || (field.name === "system" ? "0" : "");
      if (field.selectedIndex === -1) field.selectedIndex = 0;
    }
  };

  const open = () => {
    const [anchor, query] = location.hash.slice(1).split("?");
    if (query !== undefined) fill(new URLSearchParams(query));
    const target = anchor && document.getElementById(anchor);
    show();
    if (target && target.hidden) {
      fill(new URLSearchParams());
      show();
    }
    document.querySelector(".is-target")?.classList.remove("is-target");
    if (target && target.classList.contains("question")) target.classList.add("is-target");
    // The browser knows no element of the anchor with the filters behind it, nor one that was hidden.
    if (target) {
      target.scrollIntoView();
      // Questions that come into view get their true heights only now, and push the target away.
      requestAnimationFrame(() => requestAnimationFrame(() => target.scrollIntoView()));
    }
    keep(anchor);
  };

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    show();
    keep("questions");
  });
  form.addEventListener("reset", () => setTimeout(() => {
    show();
    keep("questions");
  }));
  window.addEventListener("hashchange", open);
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not(.others, [open])")];
    for (const one of opened) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });
  open();
})();
