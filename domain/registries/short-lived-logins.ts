/** User names with which clouds accept their own tokens, which expire within hours. */
const userNames: Record<string, string> = {
  AWS: 'ECR',
  oauth2accesstoken: 'Google Artifact Registry',
  '00000000-0000-0000-0000-000000000000': 'Azure Container Registry',
};

/**
 * Returns the service of a short-lived token. Pasted as a password it works today and has expired tomorrow. Tokens of
 * ECR are recognized by their content, with any user name.
 */
export function shortLivedLogin(username: string, password: string): string | undefined {
  return userNames[username] ?? (isEcrToken(password) ? 'ECR' : undefined);
}

/** AWS returns `AWS:` and a password, in base64. The password is the base64 of a JSON object. */
function isEcrToken(password: string): boolean {
  const text = decoded(password);
  if (text.startsWith('AWS:')) return true;
  return text.startsWith('{"payload":') && text.includes('"datakey":');
}

function decoded(text: string): string {
  return /^[A-Za-z0-9+/=\s]{40,}$/.test(text) ? Buffer.from(text, 'base64').toString('latin1') : '';
}
