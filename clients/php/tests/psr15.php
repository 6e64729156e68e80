<?php

// A site in front of a PSR-15 handler, with requests and responses of Guzzle's.

declare(strict_types=1);

// These two are not among Debian's packages; they are the standard's own.
namespace Psr\Http\Server {
    use Psr\Http\Message\{ResponseInterface, ServerRequestInterface};

    interface RequestHandlerInterface
    {
        public function handle(ServerRequestInterface $request): ResponseInterface;
    }

    interface MiddlewareInterface
    {
        public function process(ServerRequestInterface $request, RequestHandlerInterface $handler): ResponseInterface;
    }
}

namespace Tests {
    use Authnzerver\Client;
    use Authnzerver\Policy;
    use Authnzerver\Site\{Psr15Middleware, Site, Visit};
    use GuzzleHttp\Psr7\{HttpFactory, ServerRequest, Utils};
    use Psr\Http\Message\{ResponseInterface, ServerRequestInterface};
    use Psr\Http\Server\RequestHandlerInterface;

    require_once 'GuzzleHttp/Psr7/autoload.php';
    require __DIR__ . '/support.php';

    const ORIGIN = 'https://site.example';

    /** The program: says whose request it is, gives back what was sent, and sets a cookie. */
    final class Program implements RequestHandlerInterface
    {
        public function handle(ServerRequestInterface $request): ResponseInterface
        {
            $visit = $request->getAttribute(Visit::class);
            $may = $request->getUri()->getPath() === '/may' ? $visit->may('view', 'dataset', owner: 1) : null;
            $text = json_encode([$visit->userId(), $visit->keyOwner, $may]) . " {$visit->csrfToken()} {$request->getBody()->getContents()}";

            return (new HttpFactory())->createResponse()->withBody(Utils::streamFor($text))->withHeader('Set-Cookie', 'own=1');
        }
    }

    /** Keeps cookies as a browser does. */
    final class MessageBrowser
    {
        public array $cookies = [];
        public string $csrf = '';

        public function __construct(private Psr15Middleware $middleware)
        {
        }

        public function ask(string $method, string $uri, ?array $form = null, bool $isParsed = true, array $headers = []): ResponseInterface
        {
            $cookies = array_map(fn ($name, $value) => "$name=$value", array_keys($this->cookies), $this->cookies);
            // As over HTTP/2, each may come by itself.
            $headers += $cookies ? ['Cookie' => $cookies, 'Origin' => ORIGIN] : ['Origin' => ORIGIN];
            $form = $form === null ? null : $form + ['csrf' => $this->csrf];
            $headers += $form === null ? [] : ['Content-Type' => 'application/x-www-form-urlencoded'];
            $body = $form === null ? null : http_build_query($form);
            $server = ['REMOTE_ADDR' => '198.51.100.7', 'SCRIPT_NAME' => '/index.php'];
            $request = new ServerRequest($method, $uri, $headers, $body, '1.1', $server);
            parse_str($request->getUri()->getQuery(), $query);
            $request = $request->withQueryParams($query)->withParsedBody($form !== null && $isParsed ? $form : null);
            $response = $this->middleware->process($request, new Program());
            foreach ($response->getHeader('Set-Cookie') as $cookie) {
                [$name, $value] = explode('=', explode(';', $cookie)[0], 2);
                $this->cookies[$name] = $value;
            }
            if (preg_match('/[\w-]{16}\.[0-9a-f]{64}/', (string) $response->getBody(), $found)) {
                $this->csrf = $found[0];
            }

            return $response;
        }
    }

    $server = new Real();
    $client = new Client($server->url, $server->key, new Policy(tries: 1));
    $site = new Site('A site', [ORIGIN], $client, log: fn () => null);
    $site->guard('/admin', roles: ['superuser']);
    $site->guard('/api', key: ['view', 'dataset']);
    $middleware = new Psr15Middleware($site, new HttpFactory());

    test('in front of a handler', function () use ($middleware, $server) {
        foreach ([true, false] as $isParsed) {
            $browser = new MessageBrowser($middleware);
            $first = $browser->ask('GET', '/?a=b');
            matches('/^\[null,null,null\]/', (string) $first->getBody());
            same(['own=1'], preg_grep('/^own/', $first->getHeader('Set-Cookie')));
            foreach (['/admin?a=1&a=2' => '/admin%3Fa%3D1%26a%3D2', '/index.php/admin' => '/index.php/admin', '/%61dmin' => '/%2561dmin'] as $uri => $next) {
                $led = $browser->ask('GET', ORIGIN . $uri);
                same([303, "/login?next=$next"], [$led->getStatusCode(), $led->getHeaderLine('Location')]);
            }
            $page = $browser->ask('GET', '/login?next=/admin%3Fa%3D1');
            same(['no-store', 200], [$page->getHeaderLine('Cache-Control'), $page->getStatusCode()]);
            same('', (string) $browser->ask('HEAD', '/login')->getBody());
            same(403, $browser->ask('POST', '/login', $server->admin + ['csrf' => 'x'], $isParsed)->getStatusCode());
            $form = $server->admin + ['next' => '/admin?a=1'];
            same(403, $browser->ask('POST', '/login', $form, $isParsed, ['Origin' => 'null'])->getStatusCode());
            $led = $browser->ask('POST', '/login', $form, $isParsed);
            same([303, '/admin?a=1'], [$led->getStatusCode(), $led->getHeaderLine('Location')], (string) $led->getBody());
            matches('/^\[1,null,null\]/', (string) $browser->ask('GET', '/admin')->getBody());
            // The handler finds the form as it was.
            matches('/ a=b&csrf=/', (string) $browser->ask('POST', '/x', ['a' => 'b'], $isParsed)->getBody());
            same(401, $browser->ask('GET', '/api')->getStatusCode());
        }
    });

    test("what the handler's question has no answer to is unavailable", function () use ($middleware, $server) {
        $server->tell('stop');
        $response = (new MessageBrowser($middleware))->ask('GET', '/may');
        $server->tell('start');
        same(503, $response->getStatusCode());
        same('1', $response->getHeaderLine('Retry-After'));
    });

    $server->close();
    finish();
}
