/** A magnifying glass. */
export const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#0f766e"/><circle cx="14" cy="14" r="6.5" fill="none" stroke="#fff" stroke-width="2.6"/><path d="m19 19 6 6" stroke="#fff" stroke-width="3" stroke-linecap="round"/><circle cx="14" cy="14" r="2" fill="#5eead4"/></svg>
`;
