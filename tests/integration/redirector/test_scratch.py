import json

from database.keys import Scope, create_key
from stage.redirectors import running_redirector


async def test_it(database_dsn, tmp_path):
    key = await create_key(database_dsn, name="t", scopes=[Scope.ADMIN])
    async with running_redirector(database_dsn, tmp_path/"j", key) as r:
        print(await r.issue())
        async def t(method, path, **kw):
            try:
                a = await r.ask(method, path, **kw)
                print(method, ascii(path), ascii(str(kw))[:80], "->", a.status_code, a.text[:300], dict(a.headers) if a.status_code==405 else "")
            except Exception as e:
                print(method, ascii(path), ascii(str(kw))[:80], "!!", type(e).__name__, str(e)[:200])
        J={"content-type":"application/json"}
        base={"advocate_id":"ada","destination":"https://x.example/"}
        await t("POST","/v1/links",content=b'{"advocate_id":',headers=J)
        await t("POST","/v1/links",content=b'{"\\ud800":1}',headers=J)
        await t("POST","/v1/links",content=b'{"a\\u0000":1}',headers=J)
        await t("POST","/v1/links",content=json.dumps({**base,"channel":"\ud800"}).encode(),headers=J)
        await t("POST","/v1/links",content=json.dumps({**base,"destination":"https://x.example/\ud800"}).encode(),headers=J)
        await t("POST","/v1/links",content=json.dumps({**base,"channel":"a\0b"}).encode(),headers=J)
        await t("POST","/v1/links",content=json.dumps({**base,"alias":"a\0b"}).encode(),headers=J)
        await t("POST","/v1/links",content=json.dumps({**base,"alias":"\ud800"}).encode(),headers=J)
        await t("POST","/v1/links",content=b"["*100000,headers=J)
        await t("POST","/v1/links",content=b"["*100000+b"]"*100000,headers=J)
        await t("POST","/v1/links",content=b'{"tags":'+b"["*900+b"]"*900+b"}",headers=J)
        await t("POST","/v1/links",content=b"\xff\xfe",headers=J)
        await t("POST","/v1/links",content=b'{"test": NaN}',headers=J)
        await t("POST","/v1/links",content=b'{"test": '+b"9"*5000+b"}",headers=J)
        await t("POST","/v1/links",content=json.dumps(base).encode())
        await t("POST","/v1/links",content=b"",headers=J)
        await t("POST","/v1/links",content=b"null",headers=J)
        for e in ["9999-12-31T23:59:59-12:00","0001-01-01T00:00:00+12:00","2022-01-01","2022-01-01T00:00:00",1e20,-1e12, 253402300799,"+010000-01-01T00:00:00Z", "2022-01-01T00:00:00+23:59"]:
            await t("POST","/v1/links",json={**base,"expires_at":e})
        await t("PUT","/v1/advocates/ada%0A",json={})
        await t("PUT","/v1/advocates/ada@x",json={})
        await t("PUT","/v1/advocates/ada%00",json={})
        await t("PUT","/v1/advocates/"+"a"*65,json={})
        await t("PUT","/v1/advocates/ada",json={"display_name":"x"*201})
        await t("PUT","/v1/advocates/ada",json={"nope":1})
        await t("GET","/v1/links/%00")
        await t("GET","/v1/links/nope")
        await t("GET","/v1/nope")
        await t("GET","/")
        await t("GET","/a/b")
        await t("POST","/abc")
        await t("DELETE","/v1/links")
        await t("PATCH","/v1/links/nope",json={"disabled":True})
        await t("GET","/%ff")
        await t("GET","/%00")
        await t("POST","/v1/clicks/import?format=nope",content=b"x")
        await t("POST","/v1/clicks/import",content=b"")
        await t("POST","/v1/clicks/import",content=b'{"l": '+b"["*1000+b"]"*1000+b'}\n{"l":"'+b"x"*3000+b'"}')
        await t("GET","/v1/clicks/import/zzz")
        await t("POST","/v1/links",content=b'{"a":"'+b"x"*2000000+b'"}',headers=J)
        async def chunks():
            for _ in range(200): yield b"x"*10000
        await t("POST","/v1/links",content=chunks(),headers=J)
        for tok in ["", "Bearer", "Bearer x", "Basic abc", "Bearer adv_000000000000_"+"x"*43, "Bearer "+key[:-1]+"é"]:
            a=await r.client.get("/v1/links/x",headers={"Authorization":tok.encode("latin-1")})
            print(repr(tok),a.status_code,a.text,a.headers)
