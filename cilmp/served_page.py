"""The page that `cilmp serve` shows. Names reach it as data and are written as text, never as markup."""

import json
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cilmp.run import Run


def page(run: "Run", note: str) -> tuple[str, str]:
    """HTML, and the content security policy that goes with it."""
    once = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; script-src 'nonce-{once}'; style-src 'nonce-{once}'; img-src blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    facts = {
        "title": f"{run.result['method']} on {run.result['dataset']}",
        "warning": note
        + (" Trained on drawn images: it knows nothing of patients." if run.result.get("synthetic") else ""),
        "classes": f"{len(run.classnames)} classes: {', '.join(run.classnames)}",
    }
    # "<" cannot end the script early where it is written as an escape.
    return PAGE.replace("ONCE", once).replace("FACTS", json.dumps(facts).replace("<", "\\u003c")), policy


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>cilmp</title>
<style nonce="ONCE">
:root { color-scheme: light dark; --line: #767676; --bar: #2b6cb0; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
#warning { border: 2px solid #b45309; padding: .5rem 1rem; font-weight: 600; }
#drop { display: block; border: 2px dashed var(--line); padding: 2rem; text-align: center; margin: 1rem 0; cursor: pointer; }
#drop.over, #file:focus-visible + #drop { outline: 3px solid var(--bar); }
#file { position: absolute; opacity: 0; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .2rem .5rem; }
meter { width: 100%; } img { max-width: 100%; } .in { font-weight: 600; }
</style>
</head>
<body>
<main>
<h1 id="title"></h1>
<p id="warning"></p>
<p id="classes"></p>
<input type="file" id="file"><label id="drop" for="file">Drop an image here, or choose one</label>
<p id="said" role="status" aria-live="polite"></p>
<table id="found" hidden><caption>Probabilities</caption><tbody></tbody></table>
<img id="heat" hidden alt="The image, and which of its patches spoke for the likeliest class">
</main>
<script nonce="ONCE">
const facts = FACTS;
const at = id => document.getElementById(id);
document.title = facts.title;
for (const id of ["title", "warning", "classes"]) at(id).textContent = facts[id];

async function ask(file) {
  at("found").hidden = at("heat").hidden = true;
  at("said").textContent = "Reading " + file.name + " ...";
  const answer = await fetch("predict", { method: "POST", body: file });
  const found = await answer.json();
  if (!answer.ok) { at("said").textContent = "Error: " + found.error; return; }
  const percent = (100 * found.probabilities[found.label]).toFixed(1);
  at("said").textContent = found.set
    ? "At " + 100 * found.coverage + " % coverage: " + (found.set.join("; ") || "no class is likely enough")
    : found.label + ", " + percent + " %";
  const body = at("found").tBodies[0];
  body.replaceChildren();
  for (const [name, value] of Object.entries(found.probabilities).sort((a, b) => b[1] - a[1])) {
    const row = body.insertRow(), head = document.createElement("th"), meter = document.createElement("meter");
    head.scope = "row";
    head.textContent = name;
    if (found.set && found.set.includes(name)) head.className = "in";
    meter.value = value;
    row.append(head);
    row.insertCell().append(meter);
    row.insertCell().textContent = (100 * value).toFixed(1) + " %";
  }
  at("found").hidden = false;
  const heat = await fetch("explain", { method: "POST", body: file });
  if (heat.ok) { at("heat").src = URL.createObjectURL(await heat.blob()); at("heat").hidden = false; }
}

at("file").addEventListener("change", event => event.target.files[0] && ask(event.target.files[0]));
const drop = at("drop");
for (const name of ["dragover", "dragleave", "drop"]) drop.addEventListener(name, event => {
  event.preventDefault();
  drop.classList.toggle("over", name === "dragover");
  if (name === "drop" && event.dataTransfer.files[0]) ask(event.dataTransfer.files[0]);
});
</script>
</body>
</html>
"""
