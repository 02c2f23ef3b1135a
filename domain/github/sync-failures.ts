/** Failures that say something about the App itself, or about the way to its host; all others concern one installation. */
const ofTheApp: ReadonlySet<string> = new Set(['app_credentials_rejected', 'clock_skew', 'address_refused']);

/** Whether no other installation of the App could be read either. */
export function concernsTheApp(code: string): boolean {
  return ofTheApp.has(code);
}
