"""Problems 7xx: Flower, the coordinator, phases, resume."""

from __future__ import annotations

from site_config.problems.base import Exit, Kind

SITE_SILENT = Kind(
    701,
    "site-silent",
    "A site did not answer before the deadline",
    why="The message was delivered, or waits to be, and no reply came: the site is busy, paused, or cut off.",
    fix="Look at `fedhcc-coordinator status`; ask the hospital for `fedhcc-site status`; then `fedhcc-coordinator resume STUDY`.",
    exit=Exit.STALLED,
)
SITE_UNAVAILABLE = Kind(
    702,
    "site-unavailable",
    "A site is not connected",
    why="Its heartbeats stopped: the program, the machine or the network at the hospital is down.",
    fix="Ask the hospital to run `fedhcc-site run` and `fedhcc-site status`; then `fedhcc-coordinator resume STUDY`.",
    exit=Exit.STALLED,
)
SITE_CRASHED = Kind(
    703,
    "site-crashed",
    "The program at a site ended while it worked on a message",
    why="The working process was killed, most often for memory. What lay in memory only, such as the keys of one secure sum, is gone; "
    "the sum is asked for again.",
    fix="Ask the hospital for `fedhcc-site logs`; more memory or a smaller micro-batch in site.yaml helps.",
    exit=Exit.STALLED,
)
BUNDLE_REFUSED = Kind(
    704,
    "bundle-refused",
    "A site runs another version of the software",
    why="The Flower bundle of the run is not the one this version makes, so the site refused it and executed nothing.",
    fix="Install the same release at the coordinator and at the hospital: compare `fedhcc-coordinator --version` and `fedhcc-site --version`.",
    exit=Exit.STALLED,
)
REPLY_MALFORMED = Kind(
    705,
    "reply-malformed",
    "A reply cannot be understood",
    why="The reply broke the message format: another version, or a fault in the program.",
    fix="Compare the versions on both sides; if they are equal, report it with the coordinator's log.",
    exit=Exit.INTERNAL,
)
LINK_LOST = Kind(
    706,
    "link-lost",
    "The connection to the SuperLink was lost",
    why="Flower's SuperLink at the coordinator ended or was restarted. A run of Flower does not survive that; a study does.",
    fix="Nothing if the round is repeated by itself; otherwise `fedhcc-coordinator resume STUDY`.",
    exit=Exit.STALLED,
)
LINK_NOT_STARTED = Kind(
    707,
    "link-not-started",
    "The SuperLink or the gateway did not start",
    why="A port is taken, a certificate is unreadable, or the program is missing.",
    fix="Read the last lines of the named log in the coordinator's `logs` folder.",
    exit=Exit.CONFIGURATION,
)
GATEWAY_MISSING = Kind(
    708,
    "gateway-missing",
    "nginx is not installed",
    why="The gateway in front of Flower's SuperLink lets sites reach `/v1/fleet/` and nothing else; it is an nginx.",
    fix="Install the package nginx-light (Debian, Ubuntu) or nginx: `apt-get install nginx-light`.",
    exit=Exit.CONFIGURATION,
)
CONTROL_UNREACHABLE = Kind(
    709,
    "control-unreachable",
    "The site's program does not run",
    why="The hospital's program is not running in this folder; what it does, and how, is asked of it while it runs.",
    fix="Start it: `fedhcc-site run`.",
    exit=Exit.ACCESS,
)
ALREADY_RUNNING = Kind(
    710,
    "already-running",
    "The program runs already for this folder",
    why="Two programs with one identity would answer each other's messages.",
    fix="Stop the other one, or look at it with `fedhcc-site status`.",
    exit=Exit.ACCESS,
)
CLOCK_SKEW = Kind(
    711,
    "clock-skew",
    "The clock of this machine is wrong",
    why="Every request is signed with the time; the coordinator refuses more than five minutes of difference.",
    fix="Set the clock (`timedatectl set-ntp true`), then `fedhcc-site run` again.",
    exit=Exit.ACCESS,
)
NODE_REFUSED = Kind(
    712,
    "node-refused",
    "The coordinator does not know this site's key",
    why="The node key is not registered with the SuperLink: the site was not enrolled, was revoked, or uses other keys than it enrolled with.",
    fix="Ask the coordinator for `fedhcc-coordinator list` and compare the fingerprints.",
    exit=Exit.IDENTITY,
)
NODE_ACTIVE = Kind(
    713,
    "node-active",
    "The coordinator does not let this site's key in",
    why="A key connects once. Either a second program runs with a copy of the state folder, or the last one ended without saying so "
    "and the coordinator has not noticed yet, or the key is not registered there: not enrolled, revoked, or made anew.",
    fix="Make sure that only one program uses this state folder, wait a minute, and run `fedhcc-site run` again; "
    "otherwise ask the coordinator for `fedhcc-coordinator list` and compare the fingerprints.",
    exit=Exit.IDENTITY,
)
GATEWAY_UNTRUSTED = Kind(
    714,
    "gateway-untrusted",
    "The coordinator's certificate is not signed by the authority of the kit",
    why="Either something between here and there opens TLS connections (a proxy with inspection), or this is another machine.",
    fix="Join with the kit the coordinator sent: `fedhcc-site join KIT`. Where it was that one, ask the hospital's network office "
    "to let the coordinator's address through without inspection.",
    exit=Exit.IDENTITY,
)
GATEWAY_UNREACHABLE = Kind(
    715,
    "gateway-unreachable",
    "The coordinator cannot be reached",
    why="The address of the kit does not answer: no route, a firewall, or the coordinator is down.",
    fix="Check that outbound TCP to the coordinator's address and port is allowed; the program keeps trying.",
    exit=Exit.ACCESS,
)
STUDY_STALLED = Kind(
    716,
    "study-stalled",
    "The study is stalled",
    why="A block of sites could not be opened before the deadline. Nothing is lost: every finished round is on disk.",
    fix="Bring the named sites back and run `fedhcc-coordinator resume STUDY`.",
    exit=Exit.STALLED,
)
FLOWER_DIFFERS = Kind(
    717,
    "flower-differs",
    "The installed Flower is not the one this program was tested with",
    why="The program uses parts of Flower that change between releases; with another release the behaviour is unknown.",
    fix="Install from the lock file: `pip install -r requirements/site.txt` (or `requirements/coordinator.txt`).",
    exit=Exit.CONFIGURATION,
)
STUDY_MISSING = Kind(
    718,
    "study-missing",
    "The coordinator has no such study",
    why="A study runs from its signed lock, which `fedhcc-coordinator study lock` and `fedhcc-coordinator study publish` make.",
    fix="List the studies with `fedhcc-coordinator status`; publish one with `fedhcc-coordinator study publish LOCK`.",
    exit=Exit.CONFIGURATION,
)
ENGINE_FAILED = Kind(
    719,
    "engine-failed",
    "A process of the federation ended by itself",
    why="The gateway, the SuperLink or a site of the loopback federation stopped.",
    fix="Read the last lines of the named log.",
    exit=Exit.INTERNAL,
)
STUDY_STOPPED = Kind(
    720,
    "study-stopped",
    "The study was stopped",
    why="Somebody asked for a stop; the state of the last finished round is on disk.",
    fix="Go on with `fedhcc-coordinator resume STUDY`.",
    exit=Exit.INTERRUPTED,
)
GATEWAY_DOWN = Kind(
    722,
    "gateway-down",
    "The gateway does not answer",
    why="The nginx in front of Flower's SuperLink ended or is being restarted. Hospitals keep trying, and nothing they computed is lost.",
    fix="Nothing if it is back by itself; otherwise `fedhcc-coordinator serve` again, then `fedhcc-coordinator resume STUDY`.",
    exit=Exit.STALLED,
)
PROXY_SILENT = Kind(
    724,
    "proxy-silent",
    "The proxy in front of the coordinator does not answer",
    why="The environment names a proxy (HTTPS_PROXY, or the file of FEDHCC_PROXY_FILE), and no connection to the proxy itself comes about. "
    "Nothing was asked of the coordinator.",
    fix="Correct HTTPS_PROXY, or name the coordinator's host in NO_PROXY; then `fedhcc-site doctor`. A running program keeps trying.",
    exit=Exit.ACCESS,
)
COORDINATOR_ENDED = Kind(
    723,
    "coordinator-ended",
    "The coordinator's program ended without saying why",
    why="It was killed, or the machine lost power, while a study ran. What it was opening at that moment is asked again.",
    fix="Go on with `fedhcc-coordinator resume STUDY`; every finished round is on disk.",
    exit=Exit.STALLED,
)

EMPTY_AGGREGATE = Kind(
    751,
    "empty-aggregate",
    "A sum over hospitals holds no patient",
    why="Every hospital of the roster answered, and together they contributed nothing. A study must not go on as if that were a result.",
    fix="Ask each hospital for its findings: `fedhcc-site data review`.",
    exit=Exit.CONTENT,
)
STATE_UNREADABLE = Kind(
    752,
    "state-unreadable",
    "The coordinator's stored state cannot be read",
    why="A file of the study's folder is damaged or may not be opened. It was written whole, so it was changed or its disk failed.",
    fix="Restore the study's folder from its backup, then `fedhcc-coordinator resume STUDY`.",
    exit=Exit.ACCESS,
)
LEDGER_DAMAGED = Kind(
    762,
    "ledger-damaged",
    "The study's ledger at the office was changed or cut",
    why="Every line of the ledger holds the hash of the line before. A line was changed, cut or lost: by hand, or by a failing disk. "
    "It no longer shows what the study was computed from, so nothing is computed.",
    fix="Restore the study's folder from its backup. Without one: `fedhcc-coordinator repair STUDY` keeps what is whole, asks "
    "again for the rest, and says so in the report.",
    exit=Exit.CONTENT,
)
STATE_DIFFERS = Kind(
    763,
    "state-differs",
    "A file of the study is not the one the office wrote",
    why="The ledger holds the digest of every number, weight and result that was kept. This file has another digest, is gone, or stands in "
    "no line: it was changed by hand, restored from another time, or its disk failed.",
    fix="Restore the study's folder from its backup. Without one: `fedhcc-coordinator repair STUDY` drops the file, so that "
    "the hospitals are asked for the same numbers again.",
    exit=Exit.CONTENT,
)
STUDY_BUSY = Kind(
    764,
    "study-busy",
    "Another process works on this study",
    why="One process at a time writes a study's ledger.",
    fix="Wait until it ends, or stop it with `fedhcc-coordinator stop STUDY`.",
    exit=Exit.ACCESS,
)
ADMISSION_REFUSED = Kind(
    753,
    "admission-refused",
    "A hospital refuses the study",
    why="Its policy, its lock or its software does not agree with the study. The hospital's own screen says which rule.",
    fix="Ask the hospital for `fedhcc-site studies`, which names the rule.",
    exit=Exit.REFUSED,
)
BROADCAST_MISSING = Kind(
    754,
    "broadcast-missing",
    "The hospital does not hold the broadcast that the request refers to",
    why="The program at the hospital was restarted since the weights were sent. The coordinator sends them again by itself.",
    fix="Nothing is to be done; the study goes on.",
    exit=Exit.STALLED,
    leaves=True,
)
MESSAGE_MALFORMED = Kind(
    755,
    "message-malformed",
    "A message from the coordinator does not have the declared form",
    why="A field is missing, unknown or out of range: the software at the two ends differs, or the message was changed on its way.",
    fix="Compare the releases: `fedhcc-coordinator sites` shows each hospital's, `fedhcc-site --version` is its own.",
    exit=Exit.REFUSED,
    leaves=True,
)
SITE_PAUSED = Kind(
    721,
    "site-paused",
    "A site is in a planned pause",
    why="The hospital said until when it takes no question: `fedhcc-site pause --until`, or the hours of its policy. "
    "The clock of the question stands still meanwhile, for at most the study's `deadlines.pause`.",
    fix="Nothing: the question is asked again when the pause ends. The time is in `fedhcc-coordinator status`.",
    exit=Exit.STALLED,
)
NOT_ESTIMABLE = Kind(
    756,
    "study-not-estimable",
    "A part of the study cannot be estimated from these patients",
    why="There are too few patients or events, or the sum that would tell is smaller than what may be opened.",
    fix="Nothing needs to be repaired: the report names the part and shows the others.",
    exit=Exit.FINDINGS,
)
OFFICE_HELD = Kind(
    758,
    "office-held",
    "Another program of the coordinator is at work here",
    why="One program owns an office's SuperLink and gateway, and one runs a study. The lock ends with its holder, so it is never stale.",
    fix="`fedhcc-coordinator status` names the program; let it go on, or end it and try again.",
    exit=Exit.ACCESS,
)
SITE_FROZEN = Kind(
    759,
    "site-frozen",
    "The working process of a site stood still",
    why="It gave no sign of life for a minute while it worked on a message, as when a GPU hangs or memory is swapped without end. "
    "The site's program ended it and started a new one; the question is asked again.",
    fix="Nothing, if it happens only once. Otherwise ask the hospital for `fedhcc-site logs` and to look at GPU, memory and disk.",
    exit=Exit.STALLED,
)
CERTIFICATE_EXPIRED = Kind(
    760,
    "certificate-expired",
    "The coordinator's server certificate has expired",
    why="Server certificates last 397 days; `fedhcc-coordinator serve` renews them 30 days before. The kit stays valid.",
    fix="At the coordinator: start `fedhcc-coordinator serve` again, which renews them. A hospital's program waits and goes on by itself.",
    exit=Exit.ACCESS,
)
OFFICE_SLEPT = Kind(
    761,
    "office-slept",
    "The coordinator's own machine stood still",
    why="It was asleep, or its programs were stopped; hospitals that seemed silent meanwhile are not to blame.",
    fix="Nothing now: the study goes on. Keep the machine from sleeping while a study runs.",
    exit=Exit.STALLED,
)
BLOCK_STAYS = Kind(
    766,
    "block-stays",
    "This block cannot be taken out of the study",
    why="A block is taken out whole, between two rounds or phases, after something was opened with it and while others go on. One that holds "
    "shares has to stay, because every holder is needed for every result.",
    fix="See the blocks with `fedhcc-coordinator status`. To go on without single hospitals: `fedhcc-coordinator leave STUDY --without NAME`.",
    exit=Exit.REFUSED,
)
CANNOT_LEAVE = Kind(
    767,
    "cannot-leave",
    "The study cannot go on without some of its patients",
    why="After something was opened, a result over fewer patients is allowed only where nobody of a set left or at least the minimum did, "
    "companions included. The holders of shares find that out; a finished study opens nothing more.",
    fix="Wait for the missing hospitals and run `fedhcc-coordinator resume STUDY`, or take a whole block out with `fedhcc-coordinator exclude`.",
    exit=Exit.REFUSED,
)
SITE_SLOW = Kind(
    765,
    "site-slow",
    "A hospital needs longer than usual",
    why="Its answer takes three times as long as the same step took there before, or as its rehearsal declared: another program uses "
    "the machine, a disk or a GPU does not answer, or the work stands still. The study waits for it until the phase's deadline.",
    fix="Ask the hospital for `fedhcc-site status`; starting its program again is safe, the question is asked again.",
)
