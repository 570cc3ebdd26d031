// What makes the pages nicer. Every page works without it; nothing here writes HTML from text.
"use strict";

const root = document.documentElement;

// Light and dark: at once, without a round trip. The server reads the same cookie on the next page.
for (const form of document.querySelectorAll("[data-theme-toggle]")) {
  form.addEventListener("submit", (event) => {
    const chosen = event.submitter && event.submitter.value;
    if (chosen !== "light" && chosen !== "dark") return;
    event.preventDefault();
    root.dataset.theme = chosen;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `theme=${chosen}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
    const other = [...form.querySelectorAll("button")].find((button) => button.offsetParent !== null);
    if (other) other.focus();
  });
}

// Menus: Escape closes and gives the focus back, arrows move, a click elsewhere closes.
const menus = [...document.querySelectorAll("details.menu")];
for (const menu of menus) {
  menu.addEventListener("keydown", (event) => {
    const entries = [...menu.querySelectorAll(".menu-body a, .menu-body button")];
    const at = entries.indexOf(document.activeElement);
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      menu.open = true;
      const step = event.key === "ArrowDown" ? 1 : -1;
      entries[(at + step + entries.length) % entries.length]?.focus();
    }
  });
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  });
}
document.addEventListener("click", (event) => {
  for (const menu of menus) if (!menu.contains(event.target)) menu.open = false;
});

// A part of a menu that is fetched when the menu is opened. The browser parses it as a page that runs nothing; without
// an answer the links beside it remain.
for (const place of document.querySelectorAll("details.menu [data-load]")) {
  const menu = place.closest("details.menu");
  const said = document.createElement("p");
  said.className = "menu-note";
  said.setAttribute("role", "status");
  menu.addEventListener("toggle", () => {
    if (!menu.open && said.isConnected) said.replaceWith(place); // to be tried again when it is opened again
    if (!menu.open || place.childElementCount) return;
    const request = new XMLHttpRequest();
    const failed = () => { said.textContent = "The list could not be loaded."; };
    said.textContent = "Loading…";
    place.replaceWith(said);
    request.open("GET", place.dataset.load);
    request.responseType = "document";
    request.timeout = 10000;
    request.addEventListener("load", () => {
      const list = request.status === 200 && request.response?.querySelector("ul.menu-list");
      if (!list) return failed();
      place.replaceChildren(...[...list.parentNode.children].map((part) => document.importNode(part, true)));
      said.replaceWith(place);
    });
    request.addEventListener("error", failed);
    request.addEventListener("timeout", failed);
    request.send();
  });
}

// The side bar scrolls sideways on a small screen: the page that one is on must not be out of sight.
const lit = document.querySelector("nav.side [aria-current]");
if (lit) {
  const bar = lit.parentElement;
  bar.scrollLeft += Math.max(0, lit.getBoundingClientRect().right - bar.getBoundingClientRect().right + 12);
}

// A dangerous step becomes a modal dialog, which the browser keeps the focus in.
for (const confirm of document.querySelectorAll("details.confirm")) {
  const summary = confirm.querySelector("summary");
  const body = confirm.querySelector(".confirm-body");
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", body.getAttribute("aria-label"));
  body.removeAttribute("role");
  body.removeAttribute("aria-label");
  document.body.append(dialog);
  dialog.append(body);
  summary.setAttribute("role", "button");
  summary.setAttribute("aria-haspopup", "dialog");
  summary.addEventListener("click", (event) => {
    event.preventDefault();
    dialog.showModal();
    const cancel = dialog.querySelector("[data-close]");
    (dialog.querySelector("input:not([type=hidden])") || cancel).focus();
  });
  for (const close of dialog.querySelectorAll("[data-close]")) {
    close.hidden = false;
    close.addEventListener("click", () => dialog.close());
  }
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => summary.focus());
}

// Messages that may be put away. A problem stays until it is solved.
const closeLabel = "Dismiss this message";
for (const note of document.querySelectorAll("[data-flash]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "dismiss";
  button.setAttribute("aria-label", closeLabel);
  button.textContent = "×";
  button.addEventListener("click", () => note.remove());
  note.append(button);
}

// A form is sent once, and what was typed is not lost by a slip of the finger.
for (const form of document.querySelectorAll("form[method=post]")) {
  let sent = false;
  let changed = false;
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    if (sent) event.preventDefault();
    sent = true;
    setTimeout(() => { sent = false; }, 5000); // an answer that is a download leaves the page where it is
  });
  if (form.hasAttribute("data-guard")) {
    form.addEventListener("input", () => { changed = true; });
    window.addEventListener("beforeunload", (event) => {
      if (changed && !sent) event.preventDefault();
    });
  }
  window.addEventListener("pageshow", () => { sent = false; });
}

// A filter takes effect when it is chosen; empty boxes stay out of the address.
for (const form of document.querySelectorAll("[data-filters]")) {
  const send = () => form.requestSubmit();
  for (const select of form.querySelectorAll("select")) select.addEventListener("change", send);
  form.addEventListener("submit", () => {
    for (const box of form.elements) if (box.name && box.value === "") box.disabled = true;
  });
  window.addEventListener("pageshow", () => { for (const box of form.elements) box.disabled = false; });
}

// Times in the reader's own zone, the exact moment in the tip.
const short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (!Number.isNaN(moment.getTime())) {
    time.title = time.dateTime;
    time.textContent = short.format(moment);
  }
}

// What is wrong takes the focus, so that a screen reader begins there.
document.getElementById("problems")?.focus();

// Copy buttons: <button data-copy="#id"><span>Copy</span></button>.
for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.querySelector("span");
  const text = label.textContent;
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
    label.textContent = "Copied";
    setTimeout(() => { label.textContent = text; }, 2000);
  });
}
