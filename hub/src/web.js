// Asks for the units again whenever the hub says that something changed.
const units = document.getElementById("units");
new EventSource("/events").onmessage = async () => {
  const answer = await fetch("/units");
  if (answer.ok) units.innerHTML = await answer.text();
};
