import { type Chars, createChars } from "./chars.ts";

/** A text with one secret, as a host shows it. */
export type Planted = { family: string; text: string; secret: string };

/**
 * Builds texts with secrets, by the families that public scanners tell apart. Every secret is
 * drawn from the seed and put together here, so no scanner of a code host takes it for real.
 */
export function buildSecrets(seed: number): Planted[] {
  const chars = createChars(seed);
  const families = { ...issued(chars), ...written(chars) };
  return Object.entries(families).flatMap(([family, texts]) =>
    texts.map(([before, secret, after = ""]) => ({
      family,
      text: before + secret + after,
      secret,
    })),
  );
}

type Parts = [before: string, secret: string, after?: string];

/** Tokens with a form of their issuer, each in another context. */
function issued({ hex, mixed, upper, base64, lower }: Chars): Record<string, Parts[]> {
  const jwt = `eyJ${mixed(20)}.eyJ${mixed(30)}.${mixed(43)}`;
  return {
    cloud: [
      ["aws sts: key AKIA", upper(16), " is in use"],
      ["[default]\naws_access_key_id = ASIA", upper(16)],
      ["[default]\naws_secret_access_key = ", base64(40)],
      ["using ", `AIza${mixed(35)}`, " for maps"],
      ["auth ", `ya29.${mixed(60)}`],
      ["client ", `GOCSPX-${mixed(28)}`, "\n"],
      ["azure app ", `${mixed(3)}8Q~${mixed(34)}`.slice(3)],
      ["https://a.blob.core.windows.net/c?sv=2022&sig=", `${base64(40)}%3D`],
      ["AccountName=a;AccountKey=", `${base64(84)}==`, ";EndpointSuffix=core.windows.net"],
      ["do ", `dop_v1_${hex(64)}`],
      ["id LTAI", mixed(20)],
      ["pulumi ", `pul-${hex(40)}`],
      ["doppler run ", `dp.pt.${mixed(43)}`],
      ["tailscale up ", `tskey-auth-${mixed(17)}-${mixed(32)}`],
      ["heroku ", `HRKU-${mixed(60)}`],
      ["netlify ", `nfp_${mixed(36)}`],
      ["https://s3.amazonaws.com/b/k?X-Amz-Signature=", hex(64)],
    ],
    vcs: [
      ...["ghp", "gho", "ghu", "ghs", "ghr"].map(
        (kind): Parts => ["remote: ", `${kind}_${mixed(36)}`, " rejected"],
      ),
      ["git clone with ", `github_pat_${mixed(22)}_${mixed(59)}`],
      ["job ", `glpat-${mixed(20)}`],
      ["runner ", `glrt-${mixed(20)}`],
      ["deploy ", `gldt-${mixed(20)}`],
      ["feed ", `glft-${mixed(20)}`],
      ["git clone https://user:", mixed(20), "@git.example.com/a.git"],
      ["git clone https://", mixed(40), "@git.example.com/a.git"],
      ["bitbucket ", `ATBB${mixed(32)}`],
      ["jira ", `ATATT3${mixed(60)}`],
    ],
    chat: [
      ["slack ", `xoxb-${hex(11)}-${hex(12)}-${mixed(24)}`],
      ["slack ", `xapp-1-A${upper(10)}-${hex(13)}-${hex(64)}`],
      ["POST https://hooks.slack.com/", `services/T${upper(8)}/B${upper(8)}/${mixed(24)}`],
      ["https://discord.com/api/webhooks/123456789012345678/", mixed(68)],
      ["bot 123456789:AA", mixed(33)],
      ["discord M", `${mixed(23)}.${mixed(6)}.${mixed(30)}`],
    ],
    payment: [
      ["charge with ", ["sk", "live", mixed(24)].join("_")],
      ["charge with ", ["rk", "test", mixed(24)].join("_")],
      ["hook ", `whsec_${mixed(32)}`],
      ["square ", `sq0atp-${mixed(22)}`],
      ["square ", `EAAA${mixed(60)}`],
      ["shop ", `shpat_${hex(32)}`],
      ["razorpay ", `rzp_live_${mixed(14)}`],
    ],
    ai: [
      ["openai ", `sk-${mixed(48)}`],
      ["openai ", `sk-proj-${mixed(60)}`],
      ["anthropic ", `sk-ant-api03-${mixed(93)}`],
      ["hub ", `hf_${mixed(34)}`],
      ["groq ", `gsk_${mixed(52)}`],
      ["replicate ", `r8_${mixed(37)}`],
      ["grok ", `xai-${mixed(80)}`],
      ["perplexity ", `pplx-${mixed(48)}`],
    ],
    ci: [
      ["npm ", `npm_${mixed(36)}`],
      ["//registry.npmjs.org/:_authToken=", mixed(36)],
      ["pypi ", `pypi-AgE${mixed(80)}`],
      ["gem ", `rubygems_${hex(48)}`],
      ["nuget ", `oy2${lower(43)}`],
      ["docker login ", `dckr_pat_${mixed(27)}`],
      ["docker swarm join --token ", `SWMTKN-1-${lower(50)}-${lower(25)}`, " 10.0.0.1:2377"],
      ["kubeadm join 10.0.0.1:6443 --token ", `${lower(6)}.${lower(16)}`],
      ["k3s ", `K10${hex(64)}::server:${hex(32)}`],
      ["terraform ", `.atlasv1.${mixed(67)}`],
      ["vault ", `hvs.${mixed(90)}`],
      ["sonar ", `squ_${hex(40)}`],
      ["circle ", `CCIPAT_${mixed(22)}_${hex(40)}`],
    ],
    monitoring: [
      ["grafana ", `glsa_${mixed(32)}_${hex(8)}`],
      ["new relic ", `NRAK-${upper(27)}`],
      ["dynatrace ", `dt0c01.${upper(24)}.${upper(64)}`],
      ["sentry ", `sntrys_${mixed(80)}`],
      ["https://", hex(32), "@o1.ingest.sentry.io/2"],
      ["DD_API_KEY=", hex(32)],
      ["posthog ", `phx_${mixed(43)}`],
    ],
    mail: [
      ["mail ", `SG.${mixed(22)}.${mixed(43)}`],
      ["mailgun ", `key-${hex(32)}`],
      ["brevo ", `xkeysib-${hex(64)}-${mixed(16)}`],
      ["twilio ", `SK${hex(32)}`],
      ["mailchimp_api_key: ", `${hex(32)}-us12`],
    ],
    work: [
      ["linear ", `lin_api_${mixed(40)}`],
      ["notion ", `ntn_${mixed(46)}`],
      ["postman ", `PMAK-${hex(24)}-${hex(34)}`],
      ["figma ", `figd_${mixed(40)}`],
      ["airtable ", `pat${mixed(14)}.${hex(64)}`],
      ["databricks ", `dapi${hex(32)}`],
      ["planetscale ", `pscale_pw_${mixed(43)}`],
    ],
    own: ["ak", "et", "pt"].flatMap((kind): Parts[] => [
      ["sonde login with ", `sonde_${kind}_${mixed(43)}`],
      ['{"a":"', `sonde_${kind}_${mixed(43)}`, '"'],
    ]),
    signed: [
      ["got ", jwt, " back"],
      ["GET /x?jwt=", jwt],
      ["root:", `$6$${mixed(8)}$${mixed(86)}`, ":19000:0"],
      ["app:", `$2y$10$${mixed(53)}`],
      ["hash ", `$argon2id$v=19$m=65536,t=3,p=4$${base64(22)}$${base64(43)}`],
      ["", `AGE-SECRET-KEY-1${upper(58)}`],
    ],
  };
}

/** Secrets that only a name or a place gives away. */
function written(chars: Chars): Record<string, Parts[]> {
  const { mixed, base64, word } = chars;
  const body = `${base64(64)}\n${base64(64)}\n`;
  const names = [
    ..."password passwd passphrase secret token apiKey accessKey privateKey encryptionKey".split(
      " ",
    ),
    ..."masterKey signingKey clientSecret refreshToken dbPass mysqlPwd connectionString".split(" "),
    ..."credentials passwords apiTokens secretKeys proxyAuth sessionCookie dbPassword2".split(" "),
  ];
  const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return {
    "names in YAML": names.map((name): Parts => [`app:\n  ${name}: `, mixed(12), "\n  port: 1"]),
    "names in JSON": names.map((name): Parts => [`cut {"${name}": "`, mixed(12), '", "n": 1}']),
    "names in .env": names.map(
      (name): Parts => [`A=1\n${snake(name).toUpperCase()}=`, `${mixed(6)};${mixed(6)}`, "\nB=2"],
    ),
    "names in ini": names.map(
      (name): Parts => [`[db]\n${snake(name)} = `, mixed(12), "\nport = 1"],
    ),
    "names as flags": names.map(
      (name): Parts => [`run --${snake(name).replaceAll("_", "-")} `, mixed(12), " --port 1"],
    ),
    "names in XML": names.map((name): Parts => [`<a><${name}>`, mixed(12), `</${name}></a>`]),
    "names in code": names.map((name): Parts => [`const ${name} = '`, mixed(12), "';"]),
    "names in Ruby and PHP": names.map((name): Parts => [`'${snake(name)}' => '`, mixed(12), "',"]),
    "words as names": [
      ["pass: ", mixed(10)],
      ["pwd: ", mixed(10)],
      ["cookie: ", `sid=${mixed(20)}`],
      ['{"auth": "', base64(24), '", '],
      ["auth = ", mixed(16)],
      ["psk=", mixed(16)],
      ["PresharedKey = ", `${base64(43)}=`],
      ["PrivateKey = ", `${base64(43)}=`],
    ],
    headers: [
      ["Authorization: Basic ", base64(20)],
      ["authorization: Bearer ", mixed(20)],
      [
        "Authorization: AWS4-HMAC-SHA256 Credential=x/20260101, SignedHeaders=host, Signature=",
        chars.hex(64),
      ],
      ["> Proxy-Authorization: Basic ", base64(20)],
      ["X-Api-Key: ", mixed(12)],
      ["X-Auth-Token: ", mixed(12)],
      ["X-Vault-Token: ", mixed(12)],
      ["PRIVATE-TOKEN: ", mixed(20)],
      ["Cookie: a=b; session=", mixed(20)],
      ["set-cookie: SESSION=", mixed(20), "; Path=/"],
      ["curl -H 'X-API-KEY: ", mixed(12), "' http://x"],
    ],
    addresses: [
      ["postgres://app:", mixed(12), "@db:5432/x"],
      ["mongodb+srv://app:", mixed(12), "@c.example.net/x"],
      ["redis://:", mixed(12), "@cache:6379"],
      ["amqp://u:", mixed(12), "@mq"],
      ["GET /cb?access_token=", mixed(12), "&x=1"],
      ["GET /cb?api_key=", mixed(12), "&x=1"],
      ["GET /cb?x=1&client_secret=", mixed(12), " HTTP/1.1"],
      ["Server=db;User Id=a;Password=", mixed(12), ";Timeout=3"],
      ["jdbc:mysql://db/x?user=a&password=", mixed(12), "&ssl=true"],
      ["host=db user=a password=", mixed(12), " sslmode=require"],
    ],
    commands: [
      ["curl -u app:", mixed(12), " http://x"],
      ["sshpass -p ", mixed(12), " ssh a@b"],
      ["redis-cli -h cache -a ", mixed(12), " ping"],
      ["mysql -h db -u app -p", mixed(12), " app"],
      ["PGPASSWORD=", mixed(12)],
      ["ALTER USER app IDENTIFIED BY '", mixed(12), "';"],
      ["CREATE ROLE app LOGIN PASSWORD '", mixed(12), "';"],
      ["machine example.com login app password ", mixed(12)],
      ["db:5432:app:app:", mixed(12)],
      ["FROM a\nENV DB_PASSWORD ", mixed(12), "\nRUN x"],
      ["requirepass: ", mixed(12)],
    ],
    "blocks and pairs": [
      ["password: |\n  ", mixed(12), "\nport: 1"],
      ["a:\n  secret: >-\n    ", mixed(12), "\n  port: 1"],
      ["  - token: |2\n      ", mixed(12), "\n    port: 1"],
      ["passwords:\n  - ", mixed(12), "\nport: 1"],
      ["password:\n  ", mixed(12), "\nport: 1"],
      ["password: correct ", word(8), " battery\nport: 1"],
      ["env:\n  - name: DB_PASSWORD\n    value: ", mixed(12), "\n  - name: X"],
      ['<add key="DbPassword" value="', mixed(12), '"/>'],
      ['<property name="password" value="', mixed(12), '"/>'],
      ['<user name="a" password="', mixed(12), '" roles="x"/>'],
      ['<wsse:Password Type="PasswordText">', mixed(12), "</wsse:Password>"],
      ["<secret><![CDATA[", mixed(12), "]]></secret>"],
      ["<a><apiKey>\n  ", mixed(12), "\n</apiKey></a>"],
    ],
    "private keys": ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "].flatMap((kind): Parts[] => [
      [`-----BEGIN ${kind}PRIVATE KEY-----\n`, body, `-----END ${kind}PRIVATE KEY-----`],
      [`cut\n-----BEGIN ${kind}PRIVATE KEY-----\n`, body],
      [`${base64(20)}\n`, body, `-----END ${kind}PRIVATE KEY-----\nnext`],
      [`privateKey: -----BEGIN ${kind}PRIVATE KEY-----\n`, body],
      [`key: "`, body.replaceAll("\n", "\\n"), `-----END ${kind}PRIVATE KEY-----\\n"`],
      [
        `privateKey: -----BEGIN ${kind}PRIVATE KEY-----\n`,
        body,
        `-----END ${kind}PRIVATE KEY-----`,
      ],
    ]),
  };
}
