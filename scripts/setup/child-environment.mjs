/**
 * What the programs need that setup runs: npm, pip, compilers, tar. Everything else stays here: the environment, and
 * `.env`, hold the keys and tokens of the product, and what installs packages also runs scripts of theirs.
 */
const names = new Set([
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR', 'TMP', 'TEMP', 'TZ', 'LANG', 'LANGUAGE', 'TERM', 'CI'],
  ...['NO_COLOR', 'FORCE_COLOR', 'COLORTERM', 'INIT_CWD'],
  // How to reach the registries, and whom to believe.
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY', 'SSL_CERT_FILE', 'SSL_CERT_DIR'],
  ...['REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'NETRC', 'NODE_AUTH_TOKEN'],
  // Node, Python and the compiler of sqlite3.
  ...['NODE', 'NODE_ENV', 'NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS', 'NODE_USE_SYSTEM_CA', 'NODE_USE_ENV_PROXY'],
  ...['VIRTUAL_ENV', 'CONDA_PREFIX', 'PYTHON', 'CC', 'CXX', 'AR', 'LD', 'CPATH', 'CPPFLAGS', 'CFLAGS', 'CXXFLAGS'],
  ...['LDFLAGS', 'LIBRARY_PATH', 'LD_LIBRARY_PATH', 'MAKE', 'MAKEFLAGS', 'JOBS', 'PKG_CONFIG_PATH', 'SDKROOT'],
  // Nothing starts on Windows without these.
  ...['SYSTEMROOT', 'SYSTEMDRIVE', 'COMSPEC', 'PATHEXT', 'WINDIR', 'APPDATA', 'LOCALAPPDATA', 'USERPROFILE'],
]);

/** The settings of npm and pip, their registries' tokens among them, and of what chooses versions of Node and Python. */
const prefixes = ['NPM_', 'PIP_', 'PYTHON', 'LC_', 'XDG_', 'NVM_', 'FNM_', 'VOLTA_', 'ASDF_', 'MISE_', 'PYENV_'];

export function childEnvironment(env = process.env) {
  const isNeeded = (name) => names.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
  return Object.fromEntries(Object.entries(env).filter(([name]) => isNeeded(name.toUpperCase())));
}
