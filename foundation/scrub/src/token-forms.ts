/**
 * The forms of tokens that their issuers mark, by kind: all begin where a word does. The
 * prefixes are in the issuers' documents. Each run of characters is bounded or ends the match.
 */
export const TOKEN_FORMS: readonly (readonly [kind: string, form: string])[] = [
  [
    "jwt",
    "(?<![_-])eyJ[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]*\\.[A-Za-z0-9_-]*(?:\\.[A-Za-z0-9_-]*){0,2}",
  ],
  ["aws-key", "A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Z0-9])|ABSK[A-Za-z0-9+/]{100,}={0,2}"],
  ["github-token", "gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}"],
  [
    "gitlab-token",
    "gl(?:pat|rt|dt|cbt|ft|ptt|soat|agent|oas|imt|ffct|wt)-[A-Za-z0-9_.-]{20,}|GR1348941[A-Za-z0-9_-]{20,}",
  ],
  ["atlassian-token", "AT(?:ATT|CTT|BB)[A-Za-z0-9][A-Za-z0-9_=-]{23,}"],
  [
    "slack-token",
    "(?:xox[abceoprs][.-]|xapp-)[A-Za-z0-9.-]{10,}|hooks\\.slack\\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_+-]{20,}",
  ],
  ["discord-token", "discord(?:app)?\\.com/api/webhooks/[0-9]{5,20}/[A-Za-z0-9_-]{30,}"],
  ["teams-webhook", "webhook\\.office\\.com/webhookb2/[A-Za-z0-9@/-]{40,}"],
  ["google-key", "AIza[A-Za-z0-9_-]{35}|ya29\\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}"],
  ["stripe-key", "[srp]k_(?:live|test|prod)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{16,}"],
  [
    "payment-key",
    "sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,}|EAAA[A-Za-z0-9_-]{56,}|access_token\\$production\\$[a-z0-9]{16}\\$[a-f0-9]{32}|rzp_(?:live|test)_[A-Za-z0-9]{14,}|FLWSECK(?:_TEST)?-[A-Za-z0-9]{12,}",
  ],
  ["shopify-token", "shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"],
  [
    "ai-key",
    "sk-(?:ant-|proj-|or-v1-|svcacct-|admin-)?[A-Za-z0-9_-]{32,}|(?:hf|gsk|r8|fw|lsv2_pt|lsv2_sk)_[A-Za-z0-9_]{30,}|(?:xai|pplx|nvapi|tvly)-[A-Za-z0-9_-]{30,}",
  ],
  ["npm-token", "npm_[A-Za-z0-9]{36}"],
  ["pypi-token", "pypi-AgE[A-Za-z0-9_-]{50,}"],
  [
    "package-token",
    "rubygems_[a-f0-9]{48}|oy2[a-z0-9]{43}|CLOJARS_[a-z0-9]{60}|cio[A-Za-z0-9]{32}(?![A-Za-z0-9])|AKCp[A-Za-z0-9]{60,}",
  ],
  ["sendgrid-key", "SG\\.[A-Za-z0-9_-]{16,64}\\.[A-Za-z0-9_-]{16,}"],
  [
    "mail-key",
    "key-[a-f0-9]{32}(?![a-f0-9])|xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}|re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}",
  ],
  ["twilio-key", "SK[0-9a-f]{32}(?![A-Za-z0-9])"],
  ["vault-token", "hv[sbr]\\.[A-Za-z0-9_-]{20,}"],
  ["docker-token", "dckr_[po]at_[A-Za-z0-9_-]{20,}|SWMTKN-1-[a-z0-9]{40,60}-[a-z0-9]{20,30}"],
  ["cluster-token", "K10[a-f0-9]{64}::[a-z]{1,20}:[A-Za-z0-9.]{16,}"],
  ["digitalocean-token", "do[opr]_v1_[a-f0-9]{64}"],
  [
    "cloud-token",
    "pul-[a-f0-9]{40}|dp\\.(?:pt|st|ct|sa|scim|audit)\\.[A-Za-z0-9._-]{40,}|tskey-[a-z]{2,10}-[A-Za-z0-9-]{20,}|v1\\.0-[a-f0-9]{24}-[a-f0-9]{100,}|HRKU-[A-Za-z0-9_-]{36,}|LTAI[A-Za-z0-9]{17,21}(?![A-Za-z0-9])|nfp_[A-Za-z0-9]{36}|rnd_[A-Za-z0-9]{32}|fm[12]_[A-Za-z0-9+/=_-]{80,}|sbp_[a-f0-9]{40}",
  ],
  [
    "ci-token",
    "CCIPAT_[A-Za-z0-9]{20,}_[a-f0-9]{40}|bkua_[a-z0-9]{40}|sq[apu]_[a-f0-9]{40}|sgp_[A-Za-z0-9_]{40,}",
  ],
  ["database-token", "dapi[a-f0-9]{32}(?:-[0-9])?|pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,}"],
  [
    "monitoring-key",
    "NR(?:AK|II|JS|AA)-[A-Za-z0-9_-]{19,}|gl(?:sa|c)_[A-Za-z0-9_+/=]{32,}|dt0[a-z][0-9]{2}\\.[A-Z0-9]{24}\\.[A-Z0-9]{64}|sntry[su]_[A-Za-z0-9_+/=-]{40,}|ph[cx]_[A-Za-z0-9]{40,}",
  ],
  [
    "work-token",
    "lin_api_[A-Za-z0-9]{40}|(?:secret|ntn)_[A-Za-z0-9]{40,50}(?![A-Za-z0-9])|PMAK-[a-f0-9]{24}-[a-f0-9]{34}|fig[dor]_[A-Za-z0-9_-]{40,}|pat[A-Za-z0-9]{14}\\.[a-f0-9]{64}|[ps]k\\.eyJ[A-Za-z0-9_-]{40,}\\.[A-Za-z0-9_-]{20,}|EAA[A-Za-z0-9]{80,}|apify_api_[A-Za-z0-9]{36}|ops_eyJ[A-Za-z0-9_=-]{100,}|A3-[A-Z0-9]{6}-[A-Z0-9-]{20,40}",
  ],
  [
    "service-token",
    "sl\\.(?:u\\.)?[A-Za-z0-9_-]{100,}|CFPAT-[A-Za-z0-9_-]{40,}|ico-[A-Za-z0-9]{32}(?![A-Za-z0-9])|pn[ub]_[A-Za-z0-9]{36}|EZ[AT]K[A-Za-z0-9]{54}|duffel_(?:test|live)_[A-Za-z0-9_=-]{40,}|shippo_(?:live|test)_[a-f0-9]{40}|(?:live|test)_[A-Za-z0-9]{30,}|tfp_[A-Za-z0-9_.=-]{50,}|rdme_[a-z0-9]{60,}|sha256~[A-Za-z0-9_-]{43}|t1\\.[A-Za-z0-9_-]{60,}\\.[A-Za-z0-9_-]{60,}|mdb_sa_sk_[A-Za-z0-9_-]{32,}|p8e-[A-Za-z0-9]{32}|fio-u-[A-Za-z0-9_=-]{60,}|tk-us-[A-Za-z0-9_-]{48}|s-s4t2(?:ud|af)-[a-f0-9]{60,}|dnkey-[A-Za-z0-9_=-]{20,}|api_org_[A-Za-z0-9]{34}|API-[A-Z0-9]{26}(?![A-Z0-9])|syt_[A-Za-z0-9_]{20,}",
  ],
  // The tickets of CAS; its protocol, section 3.
  ["session-ticket", "(?:[SP]T|PGT|TGT)-[0-9]{1,10}-[A-Za-z0-9-]{20,256}"],
  ["password-hash", "grub\\.pbkdf2\\.sha512\\.[0-9]{1,8}\\.[0-9A-Fa-f.]{64,1024}"],
  ["age-key", "AGE-SECRET-KEY-1[0-9A-Z]{58}"],
  ["sonde-key", "sonde_[a-z]{2}_[A-Za-z0-9_-]{20,}(?:\\.[0-9a-f]{64})?"],
];
