/** Adds a sentence to a provider's message, which ends with or without a full stop. */
export function addSentence(message: string, sentence: string): string {
  const first = message.trim().replace(/\.$/, '');
  return first === '' ? sentence : `${first}. ${sentence}`;
}
