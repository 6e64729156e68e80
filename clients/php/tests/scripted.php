<?php

// Answers over HTTP as its argument says, a list of replies in JSON, the last one again and again. A line on standard
// input asks how often it was asked; it ends with standard input.
//
// A reply has a status, headers and a body; or `raw`, what to send as it is; or `answer`, to which the message is opened
// and answered: "good", "flipped", "replayed", "mirrored", with a `header` more; or `drip`, what to send again and again.

declare(strict_types=1);

require getenv('AUTOLOAD');

$replies = json_decode($argv[1], true);
$ring = new Authnzerver\KeyRing(json_decode(file_get_contents(getenv('CLIENTS') . '/vectors.json'), true)['keys'][0]);
$listener = stream_socket_server('tcp://127.0.0.1:0');
echo json_encode(['url' => 'http://' . stream_socket_get_name($listener, false)]), "\n";
[$streams, $received, $drips, $asked, $connections, $kept] = [[], [], [], 0, 0, null];

function written(array $reply): string
{
    [$letter, $times] = $reply['repeat'] ?? [$reply['body'], 1];
    $body = str_repeat($letter, $times);
    $head = "HTTP/1.1 {$reply['status']} Words\r\n";
    foreach ($reply['headers'] + ['Content-Length' => $reply['claimed'] ?? strlen($body)] as $name => $value) {
        $head .= "$name: $value\r\n";
    }

    return "$head\r\n" . substr($body, 0, $reply['cut'] ?? null);
}

function answered(array $reply, string $sealed, Authnzerver\KeyRing $ring, ?string &$kept): string
{
    $response = ['session_token' => str_repeat('t', 43), 'expires' => '2027-01-31T12:00:00'];
    $reqid = json_decode($ring->open($sealed), true)['reqid'];
    $good = $ring->seal(json_encode(['success' => true, 'response' => $response, 'messages' => [], 'reqid' => $reqid]));
    $kept ??= $good;
    $token = base64_decode(strtr(base64_decode($good), '-_', '+/'));
    $token[40] = $token[40] ^ "\x01";
    $body = match ($reply['answer']) {
        'good' => $good,
        'replayed' => $kept,
        'mirrored' => $sealed,
        'flipped' => base64_encode(strtr(base64_encode($token), '+/', '-_')),
    };

    $header = isset($reply['header']) ? "{$reply['header']}\r\n" : '';

    return "HTTP/1.1 200 OK\r\n{$header}Content-Length: " . strlen($body) . "\r\n\r\n$body";
}

while (true) {
    [$read, $write, $except] = [[$listener, STDIN, ...$streams], null, null];
    stream_select($read, $write, $except, 0, 20_000);
    foreach ($drips as $id => $text) {
        if (isset($streams[$id])) {
            @fwrite($streams[$id], $text);
        }
    }
    foreach ($read as $stream) {
        if ($stream === $listener) {
            $accepted = stream_socket_accept($listener);
            $streams[(int) $accepted] = $accepted;
            $received[(int) $accepted] = '';
            $connections += 1;
            continue;
        }
        if ($stream === STDIN) {
            if (fgets(STDIN) === false) {
                exit;
            }
            echo json_encode(['asked' => $asked, 'connections' => $connections]), "\n";
            continue;
        }
        $id = (int) $stream;
        $part = @fread($stream, 1 << 16);
        $received[$id] .= $part;
        $end = strpos($received[$id], "\r\n\r\n");
        if ($part === '' || $part === false) {
            fclose($stream);
            unset($streams[$id]);
        } elseif (preg_match('/content-length: (\d+)/i', $received[$id], $found)) {
            if (strlen($received[$id]) < $end + 4 + $found[1]) {
                continue;
            }
            $sealed = substr($received[$id], $end + 4);
            $received[$id] = '';
            $reply = $replies[min($asked, count($replies) - 1)];
            $asked += 1;
            $raw = $reply['raw'] ?? null;
            $bytes = $raw ?? (isset($reply['answer']) ? answered($reply, $sealed, $ring, $kept) : written($reply));
            @fwrite($stream, $bytes . ($reply['more'] ?? ''));
            if (isset($reply['drip'])) {
                $drips[$id] = $reply['drip'];
            }
            if (isset($reply['cut'])) {
                fclose($stream);
                unset($streams[$id]);
            }
        }
    }
}
