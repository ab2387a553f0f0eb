// What keeps people out who cannot see well, or have no mouse: a list of complaints about a page.
const complaints = [];
const complain = (what, element) =>
  complaints.push(`${what}: ${element.outerHTML.slice(0, 120)}`);
const all = (selector) => [...document.querySelectorAll(selector)];
const named = (element) =>
  element.getAttribute("aria-label") || element.textContent.trim() || element.title;

if (document.documentElement.lang === "") complaints.push("no language");
if (document.title === "") complaints.push("no title");
if (all("h1").length !== 1) complaints.push(`${all("h1").length} headings of the first level`);
if (all("main").length !== 1) complaints.push("not one main part");
let level = 0;
for (const heading of all("h1, h2, h3, h4")) {
  const own = Number(heading.tagName[1]);
  if (own > level + 1) complain("a heading skips a level", heading);
  level = own;
}
const ids = all("[id]").map((element) => element.id);
for (const id of ids.filter((id, at) => ids.indexOf(id) !== at)) complaints.push(`two are ${id}`);
for (const field of all("input:not([type=hidden]), select, textarea")) {
  if (!field.checkVisibility()) continue;
  const label = field.labels?.[0];
  if (!label?.textContent.trim() && !field.getAttribute("aria-label")) {
    complain("a field without a label", field);
  }
}
for (const element of all("a[href], button")) if (!named(element)) complain("no name", element);
for (const image of all("img")) if (!image.hasAttribute("alt")) complain("no text", image);
for (const image of all("svg")) {
  const hidden = image.getAttribute("aria-hidden") === "true";
  const told = image.querySelector("title") || image.getAttribute("aria-label");
  if (!hidden && !told) complain("a drawing without words", image);
}
for (const table of all("table")) {
  if (!table.caption) complain("a table without a caption", table);
  if (!table.querySelector("th[scope]")) complain("a table without headers", table);
}
for (const element of all("[tabindex]")) {
  if (element.tabIndex > 0) complain("an order of its own", element);
}

// Contrast: WCAG 2.1, 1.4.3.
const channels = (color) => color.match(/[\d.]+/g).map(Number);
const luminance = (color) => {
  const [red, green, blue] = channels(color).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const backdrop = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor;
    const [, , , opacity = 1] = channels(color);
    if (opacity === 1) return color;
    if (opacity > 0) complain("half transparent, cannot be judged", at);
  }
  return dark() ? "rgb(18, 18, 18)" : "rgb(255, 255, 255)";
};
const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;
for (const element of all("body *")) {
  const own = [...element.childNodes].some(
    (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
  if (!own || !element.checkVisibility() || element.disabled) continue;
  const style = getComputedStyle(element);
  const both = [luminance(style.color), luminance(backdrop(element))].sort((a, b) => b - a);
  const contrast = (both[0] + 0.05) / (both[1] + 0.05);
  if (contrast < 4.5) complain(`contrast ${contrast.toFixed(1)}`, element);
}

// A phone scrolls down, not sideways.
const width = document.documentElement.scrollWidth;
if (width > window.innerWidth) {
  complaints.push(`${width} wide in a window of ${window.innerWidth}`);
}
return complaints;
