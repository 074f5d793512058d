// The address bar, which holds what is shown.

// The address of what is shown with some of it changed; what is empty is left out.
export function here(changes) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  return `?${query}`;
}

// Where the like of a clip stands; `by` is what is compared, and what of the clip counts, where the clip has it.
export function like(clip, by) {
  const of = clip[`has_${by}`] ? by : null;
  return `?${new URLSearchParams({ view: "search", like: clip.id, by: of ?? "both", ...(of && { of }) })}`;
}
