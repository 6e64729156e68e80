<?php

// A program behind a site, for PHP's own web server: shows whose request it is, and gives back what was sent.

declare(strict_types=1);

use Authnzerver\{Client, Policy};
use Authnzerver\Site\Site;

require getenv('AUTOLOAD');

$client = new Client(getenv('URL'), getenv('KEY'), new Policy(tries: 1));
$german = json_decode(file_get_contents(getenv('CLIENTS') . '/../examples/site/texts/de.json'), true);
$site = new Site(
    'A site',
    [getenv('ORIGIN')],
    $client,
    proxies: ['127.0.0.1'],
    log: fn () => null,
    texts: ['de' => $german],
    hasLoginLink: true,
    keepDays: 20,
);
$site->guard('/admin', roles: ['staff', 'superuser']);
$site->guard('/new', may: ['create', 'dataset']);
$site->guard('/users', may: ['create', 'user']);
$site->guard('/api', key: ['view', 'dataset']);
$site->guard('/api/admin', roles: ['superuser']);

$visit = $site->enter();
if ($visit->request->path === '/store') {
    $visit->store(['seen' => 1]);
}
if ($visit->request->path === '/forget') {
    $visit->store(['seen' => null]);
}
if ($visit->request->path === '/may') {
    echo 'What was said before';
    $may = fn (string $visibility) => $visit->may('view', 'dataset', owner: 1, visibility: $visibility);
    exit(json_encode([$may('public'), $may('private')]));
}
if ($visit->request->path === '/mistake') {
    throw new \LogicException('a mistake of the program');
}
if ($visit->request->path === '/staff-only') {
    $site->require($visit, roles: ['staff', 'superuser']);
    exit('ok');
}
header('Set-Cookie: own=1', false);
echo 'hello ', json_encode([$visit->userId(), $visit->keyOwner, $visit->stored()]), " {$visit->csrfToken()} ";
echo file_get_contents('php://input');
