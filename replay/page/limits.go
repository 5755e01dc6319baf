package page

// maxEntries is how many registration entries are listed: a browser can't show a fleet's.
const maxEntries = 1000
