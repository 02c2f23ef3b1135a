/** User names under which clouds take tokens of their own making, which are over within hours. */
const userNames: Record<string, string> = {
  AWS: 'ECR',
  oauth2accesstoken: 'Google Artifact Registry',
  '00000000-0000-0000-0000-000000000000': 'Azure Container Registry',
};

/**
 * The service whose short-lived token this is, where it is one: pasted as a password it works today and is dead
 * tomorrow. Tokens of ECR are known by what is inside, whatever the user name.
 */
export function shortLivedLogin(username: string, password: string): string | undefined {
  return userNames[username] ?? (isEcrToken(password) ? 'ECR' : undefined);
}

/** AWS hands out `AWS:` and a password, in base64; the password is base64 too, of a JSON object. */
function isEcrToken(password: string): boolean {
  const text = decoded(password);
  if (text.startsWith('AWS:')) return true;
  return text.startsWith('{"payload":') && text.includes('"datakey":');
}

function decoded(text: string): string {
  return /^[A-Za-z0-9+/=\s]{40,}$/.test(text) ? Buffer.from(text, 'base64').toString('latin1') : '';
}
