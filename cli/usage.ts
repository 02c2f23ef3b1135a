export const usage = `fairlead: short-lived credentials for docker and git, from a Fairlead instance

  fairlead login [--url URL] [--project prj_…] [--app app_…] [--push] [--token-stdin]
      Asks for an API token, checks it, and stores it in a file that only you can read.
      --token-stdin reads the token from standard input.
      --app requests credentials for this app. --push requests docker credentials that can push.
  fairlead logout [--url URL] [--project prj_…] [--all]
      Removes the login and its cached credentials.
  fairlead configure-docker [HOST…] [--yes]
      Makes docker, and other programs that read its config.json, ask Fairlead for these registries.
      Without HOST: the registries that the project is connected to.
  fairlead configure-git [HOST] [--write]
      Shows the lines that make git ask Fairlead for this host (github.com).
      --write appends them to your configuration.
  fairlead audit verify [--org org_…] [--head HEAD] [--url URL]
      Checks that the audit log was not changed, and prints its head. Without --org: the log of the instance.
      --head compares the log with a head that was printed before. Fails if the log was changed or cut.
  fairlead --version

docker and git run docker-credential-fairlead and git-credential-fairlead, which must be on the PATH.

Environment (takes precedence over the stored login):
  FAIRLEAD_URL FAIRLEAD_PROJECT FAIRLEAD_APP FAIRLEAD_TOKEN
  FAIRLEAD_PURPOSE        pull or push: what docker credentials can do (pull)
  FAIRLEAD_REPOSITORIES   limits docker credentials to these images, separated by commas
  FAIRLEAD_CONFIG         the file with the logins (~/.config/fairlead/config.json)
  FAIRLEAD_CA_FILE        more certificates to trust
  FAIRLEAD_TIMEOUT        how many seconds to wait for a response (30)

Exit codes: 0 success, 1 failure (reason on stderr), 2 usage error
`;
