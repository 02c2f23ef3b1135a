export const usage = `fairlead: short-lived credentials for docker and git, from a Fairlead instance

  fairlead login [--url URL] [--project prj_…] [--app app_…] [--push] [--token-stdin]
      asks for a token, checks it and stores it for you alone. --token-stdin reads it from standard input.
      --app: the credentials are for this app. --push: those for images may push.
  fairlead logout [--url URL] [--project prj_…] [--all]
      forgets the login, and the credentials that it was given.
  fairlead configure-docker [HOST…] [--yes]
      has docker, and all who read its config.json, ask Fairlead for these registries;
      without HOST for those that the project is connected to.
  fairlead configure-git [HOST] [--write]
      shows the lines that have git ask Fairlead for this host (github.com); --write appends them to your configuration.
  fairlead --version

docker-credential-fairlead and git-credential-fairlead are for docker and git: they must be on the PATH.

Environment (wins over what login stored):
  FAIRLEAD_URL FAIRLEAD_PROJECT FAIRLEAD_APP FAIRLEAD_TOKEN
  FAIRLEAD_PURPOSE        pull or push: what docker is given (pull)
  FAIRLEAD_REPOSITORIES   images that docker’s credentials are narrowed to, separated by commas
  FAIRLEAD_CONFIG         the file with the logins (~/.config/fairlead/config.json)
  FAIRLEAD_CA_FILE        certificates to trust beside the usual ones
  FAIRLEAD_TIMEOUT        seconds to wait for an answer (30)

Exit codes: 0 done; 1 it did not work, and a sentence says why; 2 it was called in a way that it does not know.
`;
