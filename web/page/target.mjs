// The browsers that what is built has to run in.
export const TARGET = ["es2022", "chrome110", "firefox115", "safari16.4"];
