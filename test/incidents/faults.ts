/** A fault that is really set up on a host, and what an AI has to be told of it. */
export type Fault = {
  name: string;
  /** Shell commands as root. Where it says `wait`, a fault is there when its look succeeds. */
  setUp: string;
  /** A shell command that succeeds once the fault shows; absent when `setUp` leaves it showing. */
  shows?: string;
  /** Shell commands that take the fault away again. */
  end: string;
  /** The tool whose answer shows the cause, and words of the finding and of its evidence. */
  found: { tool: string; finding: RegExp; evidence: RegExp };
};

const NODE = "/usr/lib/sonde-agent/node";

/** Starts a unit that systemd itself made of these words. */
const service = (name: string, text: string) =>
  `printf '%b' '${text.replaceAll("\n", "\\n")}' >/etc/systemd/system/${name}; systemctl daemon-reload; systemctl start --no-block ${name}`;
/** The unit, its files and its failure are gone. */
const remove = (...names: string[]) =>
  names
    .map(
      (name) =>
        `systemctl stop ${name} || true; rm -f /etc/systemd/system/${name}; systemctl daemon-reload; systemctl reset-failed ${name} 2>/dev/null || true`,
    )
    .join("; ");
const isState = (name: string, state: string) =>
  `systemctl show --property=ActiveState --value ${name} | grep -qx ${state}`;
const property = (name: string, what: string, value: string) =>
  `systemctl show --property=${what} --value ${name} | grep -qx '${value}'`;
/** A program of Node that runs until the fault ends. */
const program = (name: string, code: string) =>
  `printf '%s' '${code}' >/root/${name}.js; systemd-run --quiet --unit=${name} ${NODE} /root/${name}.js`;
const endProgram = (...names: string[]) =>
  names
    .map(
      (name) =>
        `systemctl kill --signal=KILL ${name} || true; systemctl reset-failed ${name} 2>/dev/null || true`,
    )
    .join("; ");

const failedUnit = (name: string, more = "") => ({
  tool: "systemd_units_failed",
  finding: /^A unit has failed/,
  evidence: new RegExp(`"${name}".*${more}`),
});

const sql = (statement: string) => `su postgres -c "psql -qAtc \\"${statement}\\""`;

const rows = (statement: string) => `mariadb -Ne "${statement}"`;

export const FAULTS: readonly Fault[] = [
  {
    name: "a filesystem is full, by a file that was deleted and is still open",
    setUp: `mkdir -p /srv/data; mount -t tmpfs -o size=20M tmpfs /srv/data
      systemd-run --quiet --unit=holder sh -c 'exec 3>/srv/data/held; rm /srv/data/held; head -c 20M /dev/zero >&3; sleep infinity'`,
    shows: "df -P /srv/data | grep -q 100%",
    end: "systemctl kill --signal=KILL holder; umount --lazy /srv/data",
    found: {
      tool: "system_disk_usage",
      finding: /^A filesystem is full/,
      evidence: /"\/srv\/data"/,
    },
  },
  {
    name: "a filesystem has space and no inodes",
    setUp: `mkdir -p /srv/many; mount -t tmpfs -o size=20M,nr_inodes=100 tmpfs /srv/many
      i=0; while touch /srv/many/$i 2>/dev/null; do i=$((i + 1)); done`,
    end: "umount --lazy /srv/many",
    found: { tool: "system_disk_usage", finding: /no inodes left/, evidence: /"\/srv\/many"/ },
  },
  {
    name: "a service ends and is started again and again",
    setUp: service(
      "shop.service",
      '[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sh -c "exit 7"\nRestart=always\nRestartSec=200ms\n',
    ),
    shows: "test $(systemctl show --property=NRestarts --value shop.service) -gt 2",
    end: remove("shop.service"),
    found: {
      tool: "systemd_unit_restarts",
      finding: /started again and again/,
      evidence: /"shop.service"/,
    },
  },
  {
    name: "systemd gave up on a service",
    setUp: service(
      "pay.service",
      "[Unit]\nStartLimitIntervalSec=100\nStartLimitBurst=3\n[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=0\n",
    ),
    shows: isState("pay.service", "failed"),
    end: remove("pay.service"),
    found: { tool: "systemd_unit_restarts", finding: /gave up/, evidence: /"pay.service"/ },
  },
  {
    name: "a service ends with an error",
    setUp: service("mail.service", '[Service]\nExecStart=/bin/sh -c "exit 3"\n'),
    shows: isState("mail.service", "failed"),
    end: remove("mail.service"),
    found: failedUnit("mail.service", "exit code 3"),
  },
  {
    name: "a service crashes",
    setUp: service(
      "crash.service",
      '[Service]\nLimitCORE=0\nExecStart=/bin/sh -c "kill -SEGV $$$$"\n',
    ),
    shows: isState("crash.service", "failed"),
    end: remove("crash.service"),
    found: failedUnit("crash.service", "signal 11"),
  },
  {
    name: "the program of a service is gone",
    setUp: service("gone.service", "[Service]\nExecStart=/opt/gone/bin/gone\n"),
    shows: isState("gone.service", "failed"),
    end: remove("gone.service"),
    found: failedUnit("gone.service", "exit code 203"),
  },
  {
    name: "a package brought a unit's file that systemd does not accept",
    setUp: `${service("late.service", "[Service]\nExecStart=/bin/sleep infinity\n")}
      sed -i s/ExecStart/ExecStrat/ /etc/systemd/system/late.service; systemctl daemon-reload`,
    shows: property("late.service", "LoadState", "bad-setting"),
    end: remove("late.service"),
    found: { tool: "systemd_units", finding: /cannot be loaded/, evidence: /"late.service"/ },
  },
  {
    name: "a service does not get ready in time",
    setUp: service(
      "slow.service",
      "[Service]\nType=notify\nTimeoutStartSec=1\nExecStart=/bin/sleep 60\n",
    ),
    shows: property("slow.service", "Result", "timeout"),
    end: remove("slow.service"),
    found: failedUnit("slow.service", "timeout"),
  },
  {
    name: "a service hangs and its watchdog ends it",
    setUp: service(
      "hung.service",
      "[Service]\nWatchdogSec=1\nLimitCORE=0\nExecStart=/bin/sleep 60\n",
    ),
    shows: property("hung.service", "Result", "watchdog"),
    end: remove("hung.service"),
    found: failedUnit("hung.service", "watchdog"),
  },
  {
    name: "what a timer starts has failed",
    setUp: `${service("backup.service", '[Service]\nType=oneshot\nExecStart=/bin/sh -c "exit 4"\n')}
      ${service("backup.timer", "[Timer]\nOnActiveSec=0\nOnUnitActiveSec=1h\nAccuracySec=1us\n")}`,
    shows: isState("backup.service", "failed"),
    end: remove("backup.timer", "backup.service"),
    found: failedUnit("backup.service", "exit code 4"),
  },
  {
    name: "a filesystem cannot be mounted",
    setUp: service(
      "srv-missing.mount",
      "[Mount]\nWhat=/dev/missing\nWhere=/srv/missing\nType=ext4\n",
    ),
    shows: isState("srv-missing.mount", "failed"),
    end: remove("srv-missing.mount"),
    found: failedUnit("srv-missing.mount"),
  },
  {
    name: "two services want one port",
    setUp: `${program("first", 'require("net").createServer().listen(8081)')}
      until ss -Hltn 2>/dev/null | grep -q :8081 || grep -q ":1F91 " /proc/net/tcp6; do sleep 0.1; done
      ${service("second.service", `[Service]\nExecStart=${NODE} -e require(\\"net\\").createServer().listen(8081)\n`)}`,
    shows: isState("second.service", "failed"),
    end: `${remove("second.service")}; ${endProgram("first")}`,
    found: failedUnit("second.service", "exit code 1"),
  },
  {
    name: "a program accepts no connections",
    setUp: `${program("deaf", 'require("net").createServer().listen({ port: 8082, backlog: 100 }, () => process.kill(process.pid, "SIGSTOP"))')}
      until grep -q ":1F92 " /proc/net/tcp6; do sleep 0.1; done
      ${program("callers", 'for (let i = 0; i < 80; i++) require("net").connect(8082)')}`,
    shows: `test $(grep -c ":1F92 .* 01 " /proc/net/tcp6) -ge 60`,
    end: endProgram("callers", "deaf"),
    found: {
      tool: "network_listeners",
      finding: /wait for a program to accept/,
      evidence: /"port":8082/,
    },
  },
  {
    name: "a program does not close its connections",
    setUp: `${program("leaky", 'require("net").createServer({ allowHalfOpen: true }, (socket) => socket.resume()).listen(8083)')}
      until grep -q ":1F93 " /proc/net/tcp6; do sleep 0.1; done
      ${program("closers", 'for (let i = 0; i < 250; i++) require("net").connect(8083).on("connect", function () { this.end(); }); setInterval(() => {}, 1000)')}`,
    shows: `test $(grep -c ":1F93 .* 08 " /proc/net/tcp6) -ge 240`,
    end: endProgram("closers", "leaky"),
    found: {
      tool: "network_connections",
      finding: /does not close connections/,
      evidence: /"connectionCount":2\d\d/,
    },
  },
  {
    name: "a peer answers no attempt to connect",
    setUp: `ip link add dark type veth peer name dark-peer; ip link set dark-peer up; ip link set dark arp off up; ip route add 198.51.100.0/24 dev dark
      ${program("lost", 'for (let i = 1; i < 90; i++) require("net").connect(443, "198.51.100." + i).on("error", () => {})')}`,
    shows: `test $(grep -c " 02 " /proc/net/tcp) -ge 80`,
    end: `${endProgram("lost")}; ip link delete dark`,
    found: {
      tool: "network_connections",
      finding: /get no answer/,
      evidence: /"connectionCount":\d\d/,
    },
  },
  {
    name: "ended processes are not collected",
    setUp: `systemd-run --quiet --unit=zombies perl -e 'for (1..1100) { fork or exit } sleep'`,
    shows: `test $(ps -eo stat= 2>/dev/null | grep -c ^Z || grep -l "^State:.*Z" /proc/[0-9]*/status 2>/dev/null | wc -l) -ge 1050`,
    end: endProgram("zombies"),
    found: {
      tool: "system_processes_stuck",
      finding: /not collected by their parents/,
      evidence: /"zombieCount":1\d\d\d/,
    },
  },
  {
    name: "a log grows and nothing rotates it",
    setUp: "truncate --size=3G /var/log/shop.log",
    end: "rm /var/log/shop.log",
    found: {
      tool: "logs_files",
      finding: /^A log file has grown large/,
      evidence: /"\/var\/log\/shop.log"/,
    },
  },
  {
    name: "a service reports the same error all the time",
    setUp: `seq 600 | sed 's/.*/<3>cannot reach the database/' | systemd-cat -t checkout`,
    end: "journalctl --rotate --vacuum-time=1s >/dev/null",
    found: {
      tool: "journal_errors",
      finding: /^The same error is reported all the time/,
      evidence: /cannot reach the database/,
    },
  },
  {
    name: "a program says that it cannot go on",
    setUp: `echo '<2>no quorum, giving up' | systemd-cat -t cluster`,
    end: "journalctl --rotate --vacuum-time=1s >/dev/null",
    found: {
      tool: "journal_errors",
      finding: /cannot go on/,
      evidence: /no quorum, giving up/,
    },
  },
  {
    name: "a certificate that a service serves has expired",
    setUp: `mkdir -p /etc/ssl/shop /root/ca; cd /root/ca; : >index; echo 01 >serial
      openssl req -newkey rsa:2048 -nodes -keyout /etc/ssl/private/shop.key -out request -subj /CN=shop.example -addext subjectAltName=DNS:shop.example 2>/dev/null
      printf '[ca]\\ndefault_ca=it\\n[it]\\ndatabase=index\\nserial=serial\\nnew_certs_dir=.\\ndefault_md=sha256\\npolicy=any\\ncopy_extensions=copy\\n[any]\\ncommonName=supplied\\n' >conf
      openssl ca -batch -config conf -selfsign -keyfile /etc/ssl/private/shop.key -in request -out /etc/ssl/shop/shop.crt -notext -startdate "$(date -u -d '90 days ago' +%Y%m%d%H%M%SZ)" -enddate "$(date -u -d '1 day ago' +%Y%m%d%H%M%SZ)" 2>/dev/null
      systemd-run --quiet --unit=shop-tls openssl s_server -quiet -www -accept 8443 -cert /etc/ssl/shop/shop.crt -key /etc/ssl/private/shop.key`,
    shows: "curl -sk -o /dev/null https://127.0.0.1:8443/",
    end: `${endProgram("shop-tls")}; rm -r /etc/ssl/shop /etc/ssl/private/shop.key /root/ca`,
    found: {
      tool: "certificates_files",
      finding: /^A certificate has expired/,
      evidence: /"\/etc\/ssl\/shop\/shop.crt".*"daysLeft":-/,
    },
  },
  {
    name: "a lock in PostgreSQL holds up twenty others",
    setUp: `${sql("CREATE TABLE orders AS SELECT 1 AS id")}
      systemd-run --quiet --unit=lock-holder --uid=postgres sh -c '(echo "BEGIN; UPDATE orders SET id = 2;"; sleep infinity) | psql -q'
      until ${sql("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'")} | grep -qx 1; do sleep 0.1; done
      for i in $(seq 20); do systemd-run --quiet --unit=lock-waiter-$i --uid=postgres psql -qc 'UPDATE orders SET id = 3'; done`,
    shows: `${sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")} | grep -qx 20`,
    end: `systemctl kill --signal=KILL lock-holder 'lock-waiter-*' || true
      ${sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres' AND pid <> pg_backend_pid()")} >/dev/null
      systemctl reset-failed; ${sql("DROP TABLE orders")}`,
    found: {
      tool: "postgres_locks",
      finding: /^One session holds up many others/,
      evidence: /"holdsUp":20/,
    },
  },
  {
    name: "a lock in MariaDB holds up five others",
    setUp: `mariadb -e 'CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY); INSERT INTO shop.orders VALUES (1)'
      systemd-run --quiet --unit=row-holder mariadb -e 'BEGIN; UPDATE shop.orders SET id = 2; DO SLEEP(300)'
      until ${rows("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_rows_modified > 0")} | grep -qx 1; do sleep 0.1; done
      for i in $(seq 5); do systemd-run --quiet --unit=row-waiter-$i mariadb -e 'UPDATE shop.orders SET id = 3'; done`,
    shows: `${rows("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'")} | grep -qx 5`,
    end: `${rows("SELECT id FROM information_schema.processlist WHERE user = 'root' AND id <> CONNECTION_ID()")} | while read id; do mariadb -e "KILL $id" || true; done
      mariadb -e 'DROP DATABASE shop'; ${endProgram("row-holder", "'row-waiter-*'")}`,
    found: {
      tool: "mysql_locks",
      finding: /^One session holds up many others/,
      evidence: /"holdsUp":5/,
    },
  },
  {
    name: "Redis has no memory left and refuses writes",
    setUp: `redis-cli config set maxmemory 3mb >/dev/null
      redis-cli eval "for i = 1, 9000 do redis.call('set', i, string.rep('x', 1000)) end" 0 || true`,
    shows: "redis-cli set one more 2>&1 | grep -q OOM",
    end: "redis-cli config set maxmemory 0; redis-cli flushall; redis-cli config resetstat",
    found: {
      tool: "redis_memory",
      finding: /^Redis is at its memory limit and refuses writes/,
      evidence: /"evictionPolicy":"noeviction"/,
    },
  },
  {
    name: "the name server does not answer",
    setUp: `cp /etc/resolv.conf /root/resolv.conf 2>/dev/null || : >/root/resolv.conf
      ip link add dark type veth peer name dark-peer; ip link set dark-peer up; ip link set dark arp off up; ip route add 198.51.100.0/24 dev dark
      rm -f /etc/resolv.conf; echo nameserver 198.51.100.53 >/etc/resolv.conf`,
    end: "cat /root/resolv.conf >/etc/resolv.conf; ip link delete dark",
    found: {
      tool: "network_dns_lookup",
      finding: /^No name server answers/,
      evidence: /no answer in time/,
    },
  },
  {
    name: "cron ignores a job",
    setUp: `mkdir -p /etc/cron.d; printf '0 3 * * * root /usr/local/bin/backup' >/etc/cron.d/backup`,
    end: "rm /etc/cron.d/backup",
    found: {
      tool: "system_cron_jobs",
      finding: /^Cron ignores jobs/,
      evidence: /"\/etc\/cron.d\/backup"/,
    },
  },
];

/** A clock that is set, which takes away what the hub can ask of the host. */
export const CLOCK_HOUR_OFF: Pick<Fault, "name" | "found"> & { offsetMs: number } = {
  name: "the clock is an hour off",
  offsetMs: 3_600_000,
  found: {
    tool: "agent_overview",
    finding: /^The clocks of the server and the hub differ/,
    evidence: /"clockAheadSeconds":3[56]\d\d/,
  },
};
