// What a machine can say about a page's accessibility. Answers a list of sentences; an empty one is a pass.
// Sources: WCAG 2.2 AA: 1.1.1, 1.3.1, 1.4.3, 1.4.10, 2.4.1, 2.4.2, 2.4.3, 2.5.8, 3.1.1, 4.1.2.
() => {
  const found = [];
  const say = (what, element) => found.push(element ? `${what}: ${element.outerHTML.slice(0, 160)}` : what);
  const shown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  // As a screen reader hears it: without what is not displayed or is decoration.
  const heard = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return node.data;
    if (node.nodeType !== Node.ELEMENT_NODE || node.getAttribute("aria-hidden") === "true") return "";
    if (getComputedStyle(node).display === "none") return "";
    return node.getAttribute("aria-label") || [...node.childNodes].map(heard).join("");
  };
  const text = (element) => (element ? heard(element).trim() : "");

  // Names
  const nameOf = (element) => {
    const by = (element.getAttribute("aria-labelledby") || "").split(" ").map((id) => text(document.getElementById(id)));
    const labels = [...(element.labels || [])].map(text);
    return [element.getAttribute("aria-label"), ...by, ...labels, text(element), element.title].find(Boolean) || "";
  };
  for (const element of document.querySelectorAll("a[href], button, summary, input:not([type=hidden]), select, textarea")) {
    if (shown(element) && !nameOf(element)) say("no accessible name", element);
  }
  for (const element of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (shown(element) && !element.labels.length && !element.getAttribute("aria-label")) say("no label", element);
    for (const id of (element.getAttribute("aria-describedby") || "").split(" ").filter(Boolean)) {
      if (!document.getElementById(id)) say(`aria-describedby points at nothing (${id})`, element);
    }
  }
  for (const svg of document.querySelectorAll("svg")) {
    if (svg.getAttribute("aria-hidden") !== "true" && !svg.getAttribute("aria-label")) say("a picture without words", svg);
  }

  // Structure
  if (!document.documentElement.lang) say("no language");
  if (!document.title.trim()) say("no title");
  if (document.querySelectorAll("main").length !== 1) say("not exactly one main landmark");
  const headings = [...document.querySelectorAll("h1, h2, h3, h4")].filter(shown).map((heading) => +heading.tagName[1]);
  if (headings.filter((level) => level === 1).length !== 1) say("not exactly one h1");
  headings.forEach((level, at) => { if (at && level > headings[at - 1] + 1) say(`a heading level is skipped before h${level}`); });
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) say(`the id ${id} occurs twice`);
  for (const element of document.querySelectorAll("[tabindex]")) if (element.tabIndex > 0) say("a positive tabindex", element);
  for (const table of document.querySelectorAll("table")) if (!table.querySelector("th[scope]")) say("a table without heads", table);
  for (const nav of document.querySelectorAll("nav")) if (!nav.getAttribute("aria-label")) say("a nav without a name", nav);

  // Contrast: the text against what is painted behind it; of a gradient, its worst colour.
  const parse = (colour) => {
    const part = colour.match(/[\d.]+/g).map(Number);
    return { r: part[0], g: part[1], b: part[2], a: part[3] ?? 1 };
  };
  const over = (top, under) => ({
    r: top.r * top.a + under.r * (1 - top.a), g: top.g * top.a + under.g * (1 - top.a), b: top.b * top.a + under.b * (1 - top.a), a: 1,
  });
  const luminance = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ratio = (one, other) => {
    const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      const gradient = style.backgroundImage.includes("gradient") && at.tagName !== "SELECT";
      if (gradient) return (style.backgroundImage.match(/rgba?\([^)]*\)/g) || []).map(parse).map((base) => layers.reduceRight((under, top) => over(top, under), base));
      const colour = parse(style.backgroundColor);
      if (colour.a > 0) layers.push(colour);
      if (colour.a === 1) break;
    }
    const base = layers.pop() || { r: 255, g: 255, b: 255, a: 1 };
    return [layers.reduceRight((under, top) => over(top, under), base)];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || seen.has(element) || !shown(element)) continue;
    seen.add(element);
    if (element.closest("[aria-disabled=true], :disabled, script, option, .hidden-text, .skip")) continue;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && +style.fontWeight >= 700) ? 3 : 4.5;
    for (const ground of behind(element)) {
      const got = ratio(over(parse(style.color), ground), ground);
      if (got < needed) { say(`contrast ${got.toFixed(2)} is below ${needed}`, element); break; }
    }
  }
  // The edges of controls and the focus ring need 3 (1.4.11).
  for (const element of document.querySelectorAll("input:not([type=hidden], [type=checkbox], [type=radio]), select, textarea")) {
    if (!shown(element) || element.disabled) continue;
    const edge = parse(getComputedStyle(element).borderTopColor);
    if (ratio(edge, behind(element.parentElement)[0]) < 3) say("the edge of a control is too faint", element);
  }

  // Room
  const wide = document.scrollingElement.scrollWidth;
  if (wide > innerWidth) {
    say(`the page is ${wide} px wide in a window of ${innerWidth}`);
    for (const element of document.body.querySelectorAll("*")) {
      if (element.getBoundingClientRect().right > innerWidth + 1 && !element.closest("nav, .tabs, .scroll, .hidden-text, pre")) { say("too wide", element); break; }
    }
  }
  for (const element of document.querySelectorAll("a.button, button, summary, select, nav.side a, .menu-body a")) {
    const box = element.getBoundingClientRect();
    if (shown(element) && (box.width < 24 || box.height < 24)) say(`a target of ${box.width} x ${box.height} px`, element);
  }
  return found;
}
