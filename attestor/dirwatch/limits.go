package dirwatch

// maxFolders bounds what one directory may take of the system's watches.
const maxFolders = 1000
