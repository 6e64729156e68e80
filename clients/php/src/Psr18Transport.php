<?php

declare(strict_types=1);

namespace Authnzerver;

use Psr\Http\Client\ClientExceptionInterface;
use Psr\Http\Client\ClientInterface;
use Psr\Http\Message\RequestFactoryInterface;
use Psr\Http\Message\StreamFactoryInterface;

/**
 * Sends by any PSR-18 client. Set its time-outs, and have it follow no redirects and try nothing again: of what the
 * policy says, only the length of answers is seen to here.
 */
final class Psr18Transport implements Transport
{
    public function __construct(
        private readonly string $url,
        private readonly ClientInterface $client,
        private readonly RequestFactoryInterface $requests,
        private readonly StreamFactoryInterface $streams,
    ) {
    }

    public function send(#[\SensitiveParameter] string $body, Policy $policy): Reply
    {
        $request = $this->requests->createRequest('POST', $this->url)
            ->withHeader('Content-Type', 'text/plain')
            ->withBody($this->streams->createStream($body));
        try {
            $response = $this->client->sendRequest($request);
            $stream = $response->getBody();
            $length = $response->getHeaderLine('Content-Length');
            // The end of a connection that is kept does not come.
            $isKnown = preg_match('/\A\d{1,15}\z/', $length);
            $wanted = min($isKnown ? (int) $length : PHP_INT_MAX, $policy->answerBytesMax + 1);
            $received = '';
            while (strlen($received) < $wanted && !$stream->eof()) {
                $received .= $stream->read(min($wanted - strlen($received), 1 << 16));
            }
        } catch (ClientExceptionInterface | \RuntimeException $error) {
            // Such clients do not say whether the request had been sent.
            throw new Unavailable('no answer: ' . $error::class, maybeDone: true);
        }
        if (strlen($received) > $policy->answerBytesMax) {
            throw new BadAnswer('the answer is too long');
        }

        return new Reply($response->getStatusCode(), $response->getHeaderLine('Retry-After'), $received);
    }
}
