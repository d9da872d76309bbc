// The page at "/": sends an image to this server and shows what comes back. No library, no other server.
"use strict";

const INFERNO = ["000004", "1b0c41", "4a0c6b", "781c6d", "a52c60", "cf4446", "ed6925", "fb9b06", "f7d13d", "fcffa4"];
const COLOURS = INFERNO.map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
const OVERLAY = 0.62; // how much of a tile is the mask; the rest is the image in grey
const RECENT = 60;
const AGAIN = 20;
const STAGES = [["decode", "decode"], ["queue", "queue"], ["compute", "compute"]];

const at = (id) => document.getElementById(id);
const page = { models: [], blob: null, picture: null, masks: [], shown: null, recent: [], busy: 0, asked: 0 };

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children); // text is never read as HTML
  return element;
}

function say(text, problem = false) {
  at("status").textContent = text;
  at("status").classList.toggle("problem", problem);
}

function state(word) {
  document.body.dataset.state = word;
}

async function ask(url, options) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch {
    throw new Error("The server does not answer.");
  }
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(document.error || `The server answered with status ${answer.status}.`);
  return document;
}

// ---- models and their facts

function model() {
  return page.models.find((each) => each.name === at("model").value);
}

function version() {
  return model()?.versions.find((each) => each.version === at("version").value);
}

function fill(select, values, chosen) {
  select.replaceChildren(...values.map(([value, text]) => make("option", { value }, text)));
  if (values.some(([value]) => value === chosen)) select.value = chosen;
  select.disabled = values.length < 2;
}

function showVersions(chosen) {
  const versions = model().versions;
  const newest = [...versions].reverse().find((each) => each.state === "ready") || versions[versions.length - 1];
  const named = versions.map((each) => [each.version, each.state === "ready" ? each.version : `${each.version} (${each.state})`]);
  fill(at("version"), named, chosen || newest.version);
  showFacts();
}

function showFacts() {
  const found = version();
  const rows = found.facts ? found.facts.rows : [["state", found.state], ["reason", found.reason]];
  const lines = rows.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, name === "sha256" ? make("code", {}, text) : text)]);
  at("facts").replaceChildren(...lines);
}

async function loadModels(wanted) {
  const answer = await ask("page/models");
  page.models = answer.models;
  fill(at("model"), page.models.map((each) => [each.name, each.name]), wanted.get("model"));
  showVersions(wanted.get("version"));
  at("samples").replaceChildren(...answer.samples.map((name) => {
    const image = make("img", { src: sampleUrl(name), alt: name, loading: "lazy" });
    const button = make("button", { type: "button", title: name }, image);
    button.dataset.sample = name;
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => takeSample(name));
    return make("li", {}, button);
  }));
  at("samples-title").hidden = answer.samples.length === 0;
  return answer.samples;
}

function sampleUrl(name) {
  return `page/samples/${encodeURIComponent(name)}`;
}

// ---- the image

async function takeSample(name) {
  const answer = await fetch(sampleUrl(name));
  await take(await answer.blob(), name);
}

async function take(blob, name) {
  for (const button of at("samples").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.sample === name));
  }
  let picture;
  try {
    picture = await decode(blob);
  } catch {
    state("failed");
    say("This file is not an image that the browser can read.", true);
    return;
  }
  page.blob = ["image/jpeg", "image/png"].includes(blob.type) ? blob : await asPng(picture);
  page.picture = picture;
  at("drop").classList.add("filled");
  at("view").setAttribute("aria-label", `The image ${name}`);
  await again();
}

function decode(blob) {
  const url = URL.createObjectURL(blob);
  const image = new Image();
  image.src = url;
  return image.decode().then(() => image).finally(() => URL.revokeObjectURL(url));
}

function asPng(picture) {
  const canvas = make("canvas", { width: picture.naturalWidth, height: picture.naturalHeight });
  canvas.getContext("2d").drawImage(picture, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

// Draw the part of the picture that the network sees, as the model's preprocessing says.
function drawPicture(context, side) {
  const rule = version()?.facts?.preprocessing;
  const { naturalWidth: width, naturalHeight: height } = page.picture;
  if (rule && rule.resize !== null) {
    const crop = Math.min(width, height) * Math.min(1, rule.size / rule.resize);
    context.drawImage(page.picture, (width - crop) / 2, (height - crop) / 2, crop, crop, 0, 0, side, side);
  } else {
    context.drawImage(page.picture, 0, 0, width, height, 0, 0, side, side);
  }
}

function drawView() {
  const canvas = at("view");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.clearRect(0, 0, canvas.width, canvas.height);
  drawPicture(context, canvas.width);
  if (page.shown !== null) drawMask(context, canvas.width, page.masks[page.shown]);
}

function drawMask(context, side, mask) {
  const picture = context.getImageData(0, 0, side, side);
  for (let place = 0; place < picture.data.length; place += 4) {
    const [red, green, blue] = picture.data.subarray(place, place + 3);
    picture.data.fill(0.299 * red + 0.587 * green + 0.114 * blue, place, place + 3);
  }
  context.putImageData(picture, 0, 0);
  context.globalAlpha = OVERLAY;
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(mask.colours, 0, 0, side, side);
  context.globalAlpha = 1;
}

// A canvas of the mask's own size, in colours.
function coloured(image) {
  const canvas = make("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let place = 0; place < pixels.data.length; place += 4) {
    const position = (pixels.data[place] / 255) * (COLOURS.length - 1);
    const low = Math.min(Math.floor(position), COLOURS.length - 2);
    for (let channel = 0; channel < 3; channel += 1) {
      const [a, b] = [COLOURS[low][channel], COLOURS[low + 1][channel]];
      pixels.data[place + channel] = a + (position - low) * (b - a);
    }
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

// ---- asking and showing

function address(masks) {
  const [name, number] = [at("model").value, at("version").value].map(encodeURIComponent);
  return `page/models/${name}/versions/${number}/explain?masks=${masks ? 1 : 0}`;
}

async function classify() {
  const turn = (page.asked += 1);
  state("busy");
  say("Asking the model…");
  try {
    const answer = await ask(address(true), { method: "POST", body: page.blob });
    const masks = await Promise.all(answer.masks.map(async (mask) => {
      const image = make("img", { src: `data:image/png;base64,${mask.png}` });
      await image.decode();
      return { ...mask, colours: coloured(image) };
    }));
    if (turn !== page.asked) return; // another image was chosen meanwhile
    page.masks = masks;
    showTop(answer.top);
    showTimes(answer.times_ms);
    showMasks(answer.masks_note);
    const best = answer.top[0];
    say(`${best.label}, ${percent(best.probability)}, in ${milliseconds(answer.times_ms.total)}.`);
    at("more").disabled = false;
    state("answered");
  } catch (error) {
    if (turn !== page.asked) return;
    state("failed");
    say(error.message, true);
  }
}

async function sendMore() {
  const turn = page.asked;
  at("more").disabled = true;
  try {
    for (let count = 0; count < AGAIN && turn === page.asked; count += 1) {
      const answer = await ask(address(false), { method: "POST", body: page.blob });
      if (turn === page.asked) showTimes(answer.times_ms);
    }
    if (turn === page.asked) say(`Asked ${AGAIN} times more. ${at("spread").textContent}`);
  } catch (error) {
    say(error.message, true);
  } finally {
    at("more").disabled = false;
  }
}

function percent(share) {
  return `${(100 * share).toFixed(share > 0.9995 || share < 0.0995 ? 2 : 1)}%`;
}

function milliseconds(value) {
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
}

function showTop(guesses) {
  at("no-answer").hidden = true;
  at("top").replaceChildren(...guesses.map((guess) => {
    const fillBar = make("span", {});
    fillBar.style.width = `${100 * guess.probability}%`;
    const bar = make("div", { className: "bar" }, fillBar);
    bar.setAttribute("aria-hidden", "true");
    const [label, share] = [make("span", { className: "label" }, guess.label), make("span", { className: "percent" }, percent(guess.probability))];
    return make("li", {}, label, share, bar);
  }));
}

function showTimes(times) {
  page.recent = [...page.recent, times.total].slice(-RECENT);
  const named = [...STAGES, ["total", "total"]];
  at("times").replaceChildren(...named.map(([key, text]) => make("div", { className: key }, make("dt", {}, text), make("dd", {}, milliseconds(times[key])))));
  at("shares").replaceChildren(...STAGES.map(([key]) => {
    const part = make("span", { className: key });
    part.style.width = `${(100 * times[key]) / times.total}%`;
    return part;
  }));
  at("no-times").hidden = true;
  at("shares").hidden = false;
  at("shares").setAttribute("aria-label", STAGES.map(([key, text]) => `${text} ${milliseconds(times[key])}`).join(", "));
  showSpark();
}

function showSpark() {
  const values = page.recent;
  const sorted = [...values].sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)];
  const most = sorted[sorted.length - 1];
  const text = values.length < 2 ? "" : `Last ${values.length} requests: median ${milliseconds(median)}, ${milliseconds(sorted[0])} to ${milliseconds(most)}`;
  at("spread").textContent = text;
  at("spark").hidden = values.length < 2;
  at("spark").setAttribute("aria-label", text || "One request so far");
  const [width, height] = [RECENT - 1, 50];
  const shape = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
    return element;
  };
  const y = (value) => (height * (1 - value / (1.05 * most))).toFixed(2);
  const picture = shape("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" });
  picture.append(shape("line", { x1: 0, x2: width, y1: height, y2: height }), shape("line", { x1: 0, x2: width, y1: y(median), y2: y(median), "stroke-dasharray": "4 4" }));
  const points = values.map((value, place) => `${place},${y(value)}`);
  picture.append(shape("polyline", { points: points.join(" ") }));
  at("spark").replaceChildren(picture);
}

function showMasks(note) {
  at("attention-note").textContent = note || "The mean of each module's soft mask over the image, dark to bright between the two numbers below it. Choose one to see it on the large image.";
  const stages = new Map();
  page.masks.forEach((mask, place) => stages.set(mask.stage, [...(stages.get(mask.stage) || []), place]));
  at("stages").replaceChildren(...[...stages].map(([stage, places]) => {
    const { height, width } = page.masks[places[0]];
    const tiles = make("div", { className: "tiles" }, ...places.map(tile));
    return make("div", {}, make("h3", {}, `Stage ${stage}, ${height} × ${width}`), tiles);
  }));
}

function tile(place) {
  const mask = page.masks[place];
  const canvas = make("canvas", { width: 160, height: 160 });
  canvas.setAttribute("aria-hidden", "true");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  drawPicture(context, canvas.width);
  drawMask(context, canvas.width, mask);
  const range = make("small", {}, `${mask.least.toFixed(2)} – ${mask.most.toFixed(2)}`);
  const button = make("button", { type: "button" }, canvas, `Module ${mask.module}`, range);
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    page.shown = page.shown === place ? null : place;
    for (const [other, each] of at("stages").querySelectorAll("button").entries()) {
      each.setAttribute("aria-pressed", String(other === page.shown));
    }
    drawView();
  });
  return button;
}

// ---- what people do

// Another model or version: what the last one said of the image is out of date.
function again() {
  page.masks = [];
  page.shown = null;
  page.recent = [];
  if (page.blob === null) return undefined;
  drawView();
  return classify();
}

function setTheme(theme) {
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}

function listen() {
  at("choice").addEventListener("submit", (event) => event.preventDefault());
  at("model").addEventListener("change", () => { showVersions(); again(); });
  at("version").addEventListener("change", () => { showFacts(); again(); });
  at("choose").addEventListener("click", () => at("file").click());
  at("more").addEventListener("click", sendMore);
  at("file").addEventListener("change", () => {
    const [file] = at("file").files;
    if (file) take(file, file.name);
    at("file").value = ""; // so that the same file can be chosen again
  });
  at("theme").addEventListener("click", () => {
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark"
      || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    setTheme(dark ? "light" : "dark");
  });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault(); // or the browser would leave the page for the image
      at("drop").classList.toggle("over", kind === "dragenter" || kind === "dragover");
      const file = kind === "drop" && event.dataTransfer.files[0];
      if (file) take(file, file.name);
    });
  }
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (file) take(file, "that was pasted");
  });
}

async function begin() {
  const wanted = new URLSearchParams(location.search);
  setTheme(wanted.get("theme"));
  listen();
  try {
    const samples = await loadModels(wanted);
    state("ready");
    say("Choose an image.");
    const sample = wanted.get("sample");
    if (samples.includes(sample)) await takeSample(sample);
  } catch (error) {
    state("failed");
    say(error.message, true);
  }
}

begin();
