import path from 'node:path';
import { image, shop } from './town.ts';

export type Addresses = {
  api: string;
  github: string;
  registry: string;
  temporalUi: string | undefined;
  signIn: string;
  token: string;
  folder: string;
  /** The demo's app and its project, by their ids. */
  app: { id: string; projectId: string };
  /** The address at which connecting begins, or nothing if it is done. */
  connect: string | undefined;
};

/** The smallest possible image: no layers and an empty configuration. */
const empty = {
  mediaType: 'application/vnd.oci.empty.v1+json',
  digest: 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
  size: 2,
};
const manifest = {
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  config: empty,
  layers: [],
};

/** Returns the text for a new user: all addresses, and what to do by browser and by curl. */
export function walk({ api, app, github, registry, temporalUi, signIn, token, folder, connect }: Addresses): string {
  const bearer = `-H "authorization: Bearer $TOKEN"`;
  const json = `-H "content-type: application/json"`;
  const repository = `${github}/${shop.fullName}`;
  const images = `${registry}/v2/${image}`;
  const credential = (purpose: 'push' | 'pull') => `$(curl -s ${api}/v1/projects/$PROJECT/credentials/exchange \\
       ${bearer} ${json} -d "{\\"purpose\\":\\"${purpose}\\",\\"app_id\\":\\"$APP\\",\\"format\\":\\"bearer\\"}" \\
       | grep -o '"token":"[^"]*"' | cut -d'"' -f4)`;
  const connecting = connect
    ? `1. Connect GitHub. Open in a browser (it is valid for an hour, in the first browser that presses Continue)
     ${connect}
   and click: Continue, Create GitHub App for @acme, Install, Authorize. To look at it:
     curl -s "${api}/v1/integrations?kind=github" ${bearer}
   The app "shop" then takes ${shop.fullName} as its source by itself.`
    : `1. GitHub is connected already, by an earlier start. To look at it:
     curl -s "${api}/v1/integrations?kind=github" ${bearer}`;
  return `
Fairlead's demo is ready. GitHub and the registry are SIMULATED: nothing here is real, and nothing leaves this machine.

  API                 ${api}  (read it at ${api}/docs)
  Sign in             ${signIn}
                      (works once, expires in 15 minutes)
  Temporal UI         ${temporalUi}
  Simulated GitHub    ${github}/simulate  (you are @octocat there, who owns @acme)
  Simulated registry  ${registry}  (connected already, as the registry of the app)
  Data                ${path.resolve(folder)}  (delete it to start again)

The walk, in a second terminal:

  export TOKEN=${token}

${connecting}

2. Push. Open ${repository} and click "Push a commit", or
     curl -sf ${repository}/simulated-push -d branch=${shop.branch} -d message=Hello && echo pushed

3. See the build succeed, a few seconds later
     curl -s ${api}/v1/builds ${bearer}
   and why it was made: the decisions about the newest push
     export PUSHED=$(curl -s "${api}/v1/deliveries?event=push" ${bearer} | grep -o 'dlv_[0-9a-z]*' | head -1)
     curl -s ${api}/v1/deliveries/$PUSHED ${bearer}

4. Get a token as a runner would: an hour at most, for this repository only
     export PROJECT=${app.projectId} APP=${app.id}
     curl -s ${api}/v1/projects/$PROJECT/credentials/exchange ${bearer} ${json} \\
       -d "{\\"purpose\\":\\"clone\\",\\"app_id\\":\\"$APP\\"}"

5. Push an image as a build would, to the SIMULATED registry: with a credential for minutes, for this image only
     export PUSH=${credential('push')}
     export UPLOAD=$(curl -si -X POST ${images}/blobs/uploads/ -H "authorization: Bearer $PUSH" \\
       | grep -i '^location:' | tr -d '\\r' | cut -d' ' -f2)
     curl -sf -X PUT "${registry}$UPLOAD?digest=${empty.digest}" \\
       -H "authorization: Bearer $PUSH" -d '{}' && echo configuration stored
     curl -sf -X PUT ${images}/manifests/v1 -H "authorization: Bearer $PUSH" \\
       -H "content-type: ${manifest.mediaType}" \\
       -d '${JSON.stringify(manifest)}' && echo image stored
   and pull it as a deployment would, with one that cannot push: the last line says 401
     export PULL=${credential('pull')}
     curl -s ${images}/manifests/v1 -H "authorization: Bearer $PULL"
     curl -s -o /dev/null -w '%{http_code}\\n' -X POST ${images}/blobs/uploads/ -H "authorization: Bearer $PULL"

6. Replace the webhook's secret; push again, and nothing is lost
     export INTEGRATION=$(curl -s "${api}/v1/integrations?kind=github" ${bearer} | grep -o 'int_[0-9a-z]*' | head -1)
     curl -s "${api}/v1/integrations/$INTEGRATION/credentials/rotate?wait=10" ${bearer} ${json} \\
       -d '{"kind":"webhook_secret"}'

7. Delete the integration: nothing is built or given out any more, and the App is uninstalled on GitHub's side
     curl -s -X DELETE "${api}/v1/integrations/$INTEGRATION?wait=10" ${bearer}
   The next start offers to connect again, and the app builds as before.

8. More: be @bob at ${github}/simulate, who may only ask for an installation; suspend or uninstall
   the App as @octocat; docs/demo.md tells what there is to see.

Ctrl-C stops everything; the next start finds everything again.
`;
}
