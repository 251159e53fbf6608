// Keeps the live part of a page up to date, and prints where a button says so. Nothing else needs a script.
"use strict";
const part = document.querySelector("[data-live]");

async function renew() {
  const answer = await fetch(part.dataset.live, { headers: { Accept: "text/html" } });
  if (answer.status === 401) return location.reload();
  if (!answer.ok) return;
  const text = await answer.text();
  if (text === renew.shown) return;
  renew.shown = text;
  // Who goes by keyboard stays where they were.
  const here = document.activeElement;
  const address = part.contains(here) ? here.getAttribute("href") : null;
  // What was unfolded stays so.
  const open = [...part.querySelectorAll("details")].map((details) => details.open);
  part.innerHTML = text;
  part.querySelectorAll("details").forEach((details, place) => { details.open = open[place] ?? false; });
  if (address) part.querySelector(`a[href="${CSS.escape(address)}"]`)?.focus({ preventScroll: true });
}

if (part) {
  const events = new EventSource("/events");
  let last = Promise.resolve();
  events.onmessage = () => { last = last.then(renew).catch(() => {}); };
  events.onopen = () => document.body.classList.remove("away");
  events.onerror = () => {
    document.body.classList.add("away");
    // Closed for good: signed out, or the hub is gone.
    if (events.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
  };
}

for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => print());
