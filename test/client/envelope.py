"""Seal, sign, open and verify with the libraries that clients do it with: pycryptodome, PyNaCl and sshpubkeys.

stdin: {"action": "seal", "publicKey": PEM, "signingKey": PEM or absent, "plain": text}
    -> {"payload", "signature", "sshSignature", "fingerprint", "line"}; without a signing key one is made
stdin: {"action": "open", "privateKey": PEM, "passphrase": text, "line": SSH public key, "payload", "signature", "fingerprint"}
    -> {"plain", "fingerprint"}
"""
import base64
import json
import sys

from Crypto.Cipher import PKCS1_OAEP
from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC, RSA
from nacl.secret import SecretBox
from nacl.signing import SigningKey, VerifyKey
from nacl.utils import random
from sshpubkeys import SSHKey


def part(data):
    return len(data).to_bytes(4, 'big') + data


def b64(data):
    return base64.b64encode(data).decode()


def seal(given):
    symmetric = random(SecretBox.KEY_SIZE)
    sealed_key = PKCS1_OAEP.new(RSA.import_key(given['publicKey']), SHA256).encrypt(symmetric)
    box = SecretBox(symmetric).encrypt(given['plain'].encode())
    payload = f'{b64(sealed_key)},{b64(box)}'
    if 'signingKey' in given:
        signer = SigningKey(ECC.import_key(given['signingKey']).seed)
    else:
        signer = SigningKey.generate()
    signature = signer.sign(payload.encode()).signature
    line = f"ssh-ed25519 {b64(part(b'ssh-ed25519') + part(bytes(signer.verify_key)))} client"
    return {
        'payload': payload,
        'signature': b64(signature),
        'sshSignature': b64(part(b'ssh-ed25519') + part(signature)),
        'fingerprint': SSHKey(line, strict=True).hash_sha256(),
        'line': line,
    }


def open_(given):
    key = SSHKey(given['line'], strict=True)
    raw = base64.b64decode(given['line'].split()[1])[-32:]
    VerifyKey(raw).verify(given['payload'].encode(), base64.b64decode(given['signature']))
    sealed_key, box = (base64.b64decode(one) for one in given['payload'].split(','))
    private = RSA.import_key(given['privateKey'], passphrase=given['passphrase'])
    symmetric = PKCS1_OAEP.new(private, SHA256).decrypt(sealed_key)
    return {'plain': SecretBox(symmetric).decrypt(box).decode(), 'fingerprint': key.hash_sha256()}


request = json.load(sys.stdin)
json.dump({'seal': seal, 'open': open_}[request['action']](request), sys.stdout)
