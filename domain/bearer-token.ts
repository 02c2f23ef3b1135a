/** What `Authorization: Bearer` can carry (RFC 6750, `b64token`). */
export const bearerToken = /^[\w.~+/-]+=*$/;
