// With React's development build: StrictMode mounts everything twice only there.
export default {
  mode: "development",
  build: { minify: false, modulePreload: false, rollupOptions: { input: ["index.html", "element.html", "product.html"] } },
};
