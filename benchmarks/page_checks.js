// Checks of one report page, run inside it; the findings go to the element "found" of the page
// around it. Contrast as WCAG 2.1, 1.4.3: 4.5 to 1, large text 3 to 1.
const faults = [];
const where = (node) => {
  const text = (node.getAttribute("aria-label") || node.textContent || "").trim().slice(0, 40);
  return `<${node.tagName.toLowerCase()}> "${text}"`;
};
const shown = (node) => node.getClientRects().length > 0;

const root = document.documentElement;
if (root.scrollWidth > innerWidth + 1) {
  faults.push(`scrolls sideways: ${root.scrollWidth} pixels in ${innerWidth}`);
}
if (!root.lang) faults.push("no language stated");
if (!document.title) faults.push("no title");
if (document.querySelectorAll("h1").length !== 1) faults.push("not exactly one h1");
if (document.querySelectorAll("main").length !== 1) faults.push("not exactly one main");

for (const image of document.querySelectorAll("img")) {
  if (!image.alt) faults.push(`no alternative text: ${image.src.slice(0, 40)}`);
}
for (const drawing of document.querySelectorAll("svg")) {
  if (drawing.closest("[aria-hidden]")) continue;
  const named = drawing.getAttribute("role") === "img" && drawing.getAttribute("aria-label");
  if (!named) faults.push("a drawing without role img and label");
}

let level = 0;
for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
  const next = Number(heading.tagName[1]);
  if (next > level + 1) faults.push(`heading jumps from h${level} to ${where(heading)}`);
  level = next;
}
for (const table of document.querySelectorAll("table")) {
  if (!table.querySelector("th[scope]")) faults.push(`no header cells: ${where(table)}`);
}

const seen = new Set();
for (const node of document.querySelectorAll("[id]")) {
  if (seen.has(node.id)) faults.push(`id twice: ${node.id}`);
  seen.add(node.id);
}
for (const link of document.querySelectorAll("a[href]")) {
  const target = link.getAttribute("href");
  if (!link.textContent.trim()) faults.push(`link without text to ${target}`);
  if (target.startsWith("#") && !document.getElementById(target.slice(1))) {
    faults.push(`link to nowhere: ${target}`);
  }
}
for (const node of document.querySelectorAll("[src], link[href]")) {
  const target = node.getAttribute("src") || node.getAttribute("href");
  if (!target.startsWith("data:")) faults.push(`loads from outside: ${target.slice(0, 60)}`);
}

const stops = [...document.querySelectorAll("a[href], button, input, summary, [tabindex]")];
if (!stops.length || !stops[0].classList.contains("skip")) faults.push("no link to skip to the content");
for (const stop of stops) {
  stop.focus();
  if (document.activeElement !== stop) {
    if (shown(stop)) faults.push(`no keyboard reaches ${where(stop)}`);
    continue;
  }
  const style = getComputedStyle(stop);
  if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 1) {
    faults.push(`focus cannot be seen on ${where(stop)}`);
  }
}
if (document.activeElement) document.activeElement.blur();
for (const node of document.querySelectorAll("body *")) {
  const scrolls = ["auto", "scroll"].includes(getComputedStyle(node).overflowX);
  if (scrolls && node.scrollWidth > node.clientWidth + 1 && node.tabIndex < 0) {
    faults.push(`scrolls, but no keyboard reaches ${where(node)}`);
  }
}

const channels = (colour) => {
  const parts = colour.match(/[\d.]+/g).map(Number);
  return { rgb: parts.slice(0, 3), alpha: parts.length > 3 ? parts[3] : 1 };
};
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((value) => {
    const share = value / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const background = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const { rgb, alpha } = channels(getComputedStyle(at).backgroundColor);
    if (alpha > 0.99) return rgb;
  }
  return [255, 255, 255];
};
for (const node of document.querySelectorAll("body *")) {
  if (node.closest("svg, script, style") || !shown(node)) continue;
  const written = [...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim());
  if (!written) continue;
  const style = getComputedStyle(node);
  const [a, b] = [luminance(channels(style.color).rgb), luminance(background(node))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  if (contrast < (large ? 3 : 4.5)) faults.push(`contrast ${contrast.toFixed(1)} of ${where(node)}`);
  if (size < 11) faults.push(`text of ${size} pixels: ${where(node)}`);
}

parent.document.getElementById("found").textContent = JSON.stringify({
  height: Math.ceil(root.scrollHeight),
  faults: [...new Set(faults)],
});
