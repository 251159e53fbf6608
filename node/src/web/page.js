// Everything works without this: it shows how far an upload is, takes a dropped file, and looks again when something changed.
"use strict";

const live = document.querySelector("[data-live]");
if (live) {
  let source = null;
  const look = async () => {
    const answer = await fetch(live.dataset.from).catch(() => null);
    // Who was signed out sees so with the next click.
    if (answer && answer.ok && !answer.redirected) live.innerHTML = await answer.text();
  };
  // A browser opens few connections to one place: a tab in the back gives its own away.
  const follow = () => {
    if (document.hidden && source) { source.close(); source = null; }
    else if (!document.hidden && !source) { source = new EventSource(live.dataset.live); source.onmessage = look; }
  };
  document.addEventListener("visibilitychange", follow);
  follow();
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

for (const form of document.querySelectorAll("[data-upload]")) {
  const file = form.querySelector("input[type=file]");
  const bar = form.querySelector("progress");
  const fault = form.querySelector("[role=alert]");
  const button = form.querySelector("button");
  const say = (text) => { fault.textContent = text; fault.hidden = !text; button.disabled = false; bar.hidden = true; };
  form.addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("over"); });
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    if (event.dataTransfer.files.length) file.files = event.dataTransfer.files;
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [chosen] = file.files;
    if (!chosen) return;
    if (chosen.size > Number(form.dataset.upload)) { say(form.dataset.large); return; }
    say("");
    bar.hidden = false;
    button.disabled = true;
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.upload.onprogress = (sent) => { bar.value = sent.lengthComputable ? (100 * sent.loaded) / sent.total : 0; };
    request.onerror = () => say(form.dataset.broken);
    request.onload = () => {
      if (request.status < 400) { location.assign(request.responseURL); return; }
      const said = new DOMParser().parseFromString(request.responseText, "text/html").querySelector("[role=alert]");
      say(said ? said.textContent : form.dataset.broken);
    };
    request.send(new FormData(form));
  });
}
