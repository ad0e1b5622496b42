interface ImportMetaEnv {
  /** Where the server is, such as https://api.example.com. Unset: where the page comes from. */
  readonly VITE_API_URL?: string
}
