/**
 * The environment for the programs that setup runs: npm, pip, compilers and tar. Other variables are withheld, because
 * the environment and `.env` contain secrets of the product. Installers also run scripts of their packages.
 */
const names = new Set([
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR', 'TMP', 'TEMP', 'TZ', 'LANG', 'LANGUAGE', 'TERM', 'CI'],
  ...['NO_COLOR', 'FORCE_COLOR', 'COLORTERM', 'INIT_CWD'],
  // How to reach the registries, and which certificates to trust.
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY', 'SSL_CERT_FILE', 'SSL_CERT_DIR'],
  ...['REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'NETRC', 'NODE_AUTH_TOKEN'],
  // Node, Python and the compiler for sqlite3.
  ...['NODE', 'NODE_ENV', 'NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS', 'NODE_USE_SYSTEM_CA', 'NODE_USE_ENV_PROXY'],
  ...['VIRTUAL_ENV', 'CONDA_PREFIX', 'PYTHON', 'CC', 'CXX', 'AR', 'LD', 'CPATH', 'CPPFLAGS', 'CFLAGS', 'CXXFLAGS'],
  ...['LDFLAGS', 'LIBRARY_PATH', 'LD_LIBRARY_PATH', 'MAKE', 'MAKEFLAGS', 'JOBS', 'PKG_CONFIG_PATH', 'SDKROOT'],
  // Nothing starts on Windows without these.
  ...['SYSTEMROOT', 'SYSTEMDRIVE', 'COMSPEC', 'PATHEXT', 'WINDIR', 'APPDATA', 'LOCALAPPDATA', 'USERPROFILE'],
]);

/** The settings of npm and pip with their registry tokens, and of the version managers of Node and Python. */
const prefixes = ['NPM_', 'PIP_', 'PYTHON', 'LC_', 'XDG_', 'NVM_', 'FNM_', 'VOLTA_', 'ASDF_', 'MISE_', 'PYENV_'];

export function childEnvironment(env = process.env) {
  const isNeeded = (name) => names.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
  return Object.fromEntries(Object.entries(env).filter(([name]) => isNeeded(name.toUpperCase())));
}
