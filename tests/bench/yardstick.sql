-- The bare sale that the product is measured against: its rows and its keys, and nothing of its rules.
-- No user, no audit, no idempotency, no row security; one function, called once a sale.

drop schema if exists yardstick cascade;
create schema yardstick;
set search_path = yardstick;

create table product (
    shop uuid not null,
    id uuid not null,
    price numeric(18, 6) not null,
    tax_rate numeric(9, 6) not null,
    primary key (shop, id)
);

create table stock (
    shop uuid not null,
    product uuid not null,
    quantity numeric(18, 6) not null check (quantity >= 0),
    value numeric(18, 2) not null,
    primary key (shop, product),
    foreign key (shop, product) references product
) with (fillfactor = 50);

create table drawer (
    shop uuid not null,
    id uuid not null,
    open boolean not null,
    expected numeric(18, 2) not null,
    primary key (shop, id)
) with (fillfactor = 10);

create table numbering (
    shop uuid primary key,
    next_number bigint not null
) with (fillfactor = 10);

create table sale (
    shop uuid not null,
    id uuid not null,
    drawer uuid not null,
    number bigint not null,
    total numeric(18, 2) not null,
    tax numeric(18, 2) not null,
    sold_at timestamptz not null default now(),
    primary key (shop, id),
    unique (shop, number),
    foreign key (shop, drawer) references drawer
);

create table sale_line (
    shop uuid not null,
    sale uuid not null,
    position smallint not null,
    product uuid not null,
    quantity numeric(18, 6) not null,
    unit_price numeric(18, 6) not null,
    tax numeric(18, 2) not null,
    total numeric(18, 2) not null,
    cost numeric(18, 2) not null,
    primary key (shop, sale, position),
    foreign key (shop, sale) references sale,
    foreign key (shop, product) references product
);

create table payment (
    shop uuid not null,
    sale uuid not null,
    method text not null,
    amount numeric(18, 2) not null,
    primary key (shop, sale, method),
    foreign key (shop, sale) references sale
);

create table stock_movement (
    shop uuid not null,
    product uuid not null,
    id bigint generated always as identity,
    sale uuid not null,
    quantity numeric(18, 6) not null,
    value numeric(18, 2) not null,
    at timestamptz not null default now(),
    primary key (shop, product, id),
    foreign key (shop, product) references stock,
    foreign key (shop, sale) references sale
);

create table cash_movement (
    shop uuid not null,
    drawer uuid not null,
    id bigint generated always as identity,
    sale uuid not null,
    amount numeric(18, 2) not null,
    at timestamptz not null default now(),
    primary key (shop, drawer, id),
    foreign key (shop, drawer) references drawer,
    foreign key (shop, sale) references sale
);

-- The nth shop, product or drawer, so that pgbench and the generator can name them without asking.
create function nth(n bigint) returns uuid language sql immutable parallel safe
return lpad(to_hex(n), 32, '0')::uuid;

create function bare_sale(
    p_shop uuid, p_drawer uuid, p_products uuid[], p_quantities numeric[], p_method text,
    out sale_id uuid, out number bigint, out total numeric
) language plpgsql as $$
#variable_conflict use_column
declare
    v_tax numeric;
    v_prices numeric[];
    v_taxes numeric[];
    v_totals numeric[];
    v_costs numeric[];
begin
    -- The milliseconds first, as uuid version 7: new rows go to the end of every index.
    sale_id := (
        lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') || substr(gen_random_uuid()::text, 15)
    )::uuid;
    perform from stock s where s.shop = p_shop and s.product = any (p_products) order by s.product for update;

    select sum(l.total), sum(l.tax), array_agg(l.price order by l.n), array_agg(l.tax order by l.n),
           array_agg(l.total order by l.n), array_agg(l.cost order by l.n)
      into total, v_tax, v_prices, v_taxes, v_totals, v_costs
      from (
        select i.n, p.price, round(p.price * i.quantity, 2) as total, round(s.value * i.quantity / s.quantity, 2) as cost,
               round(p.price * i.quantity, 2) - round(round(p.price * i.quantity, 2) / (1 + p.tax_rate), 2) as tax
          from unnest(p_products, p_quantities) with ordinality as i (product, quantity, n)
          join product p on p.shop = p_shop and p.id = i.product
          join stock s on s.shop = p_shop and s.product = i.product
      ) l;

    update stock s set quantity = s.quantity - i.quantity, value = s.value - i.cost
      from unnest(p_products, p_quantities, v_costs) as i (product, quantity, cost)
     where s.shop = p_shop and s.product = i.product;

    update drawer d set expected = d.expected + total where d.shop = p_shop and d.id = p_drawer and d.open;
    if not found then
        raise exception 'the drawer is closed';
    end if;
    update numbering n set next_number = n.next_number + 1 where n.shop = p_shop returning n.next_number - 1 into number;

    insert into sale (shop, id, drawer, number, total, tax) values (p_shop, sale_id, p_drawer, number, total, v_tax);
    insert into sale_line (shop, sale, position, product, quantity, unit_price, tax, total, cost)
    select p_shop, sale_id, i.n, i.product, i.quantity, i.price, i.tax, i.total, i.cost
      from unnest(p_products, p_quantities, v_prices, v_taxes, v_totals, v_costs)
           with ordinality as i (product, quantity, price, tax, total, cost, n);
    insert into payment (shop, sale, method, amount) values (p_shop, sale_id, p_method, total);
    insert into stock_movement (shop, product, sale, quantity, value)
    select p_shop, i.product, sale_id, -i.quantity, -i.cost
      from unnest(p_products, p_quantities, v_costs) as i (product, quantity, cost);
    insert into cash_movement (shop, drawer, sale, amount) values (p_shop, p_drawer, sale_id, total);
end
$$;

-- Ten shops of 200 products with plenty of stock, each with one open drawer, and past sales in equal shares.
create procedure fill(p_sales bigint) language plpgsql as $$
begin
    insert into product (shop, id, price, tax_rate)
    select nth(s), nth(p), 1000 + 100 * (p % 90), case p % 3 when 0 then 0 when 1 then 0.05 else 0.19 end
      from generate_series(1, 10) s, generate_series(1, 200) p;
    insert into stock (shop, product, quantity, value) select shop, id, 100000000, 70000000000 from product;
    insert into drawer (shop, id, open, expected)
    select nth(s), nth(1), true, (p_sales / 10) * 3000 from generate_series(1, 10) s;
    insert into numbering (shop, next_number) select nth(s), p_sales / 10 + 1 from generate_series(1, 10) s;

    insert into sale (shop, id, drawer, number, total, tax, sold_at)
    select nth(s), nth((n << 4) + s), nth(1), n, 3000, 479, now() - (p_sales / 10 - n) * interval '20 seconds'
      from generate_series(1, p_sales / 10) n, generate_series(1, 10) s;
    insert into sale_line (shop, sale, position, product, quantity, unit_price, tax, total, cost)
    select shop, id, l, nth((number * 3 + l) % 200 + 1), 1, 1000, 160, 1000, 700 from sale, generate_series(1, 3) l;
    insert into payment (shop, sale, method, amount) select shop, id, 'cash', total from sale;
    insert into stock_movement (shop, product, sale, quantity, value, at)
    select l.shop, l.product, l.sale, -1, -700, s.sold_at from sale_line l join sale s on (s.shop, s.id) = (l.shop, l.sale);
    insert into cash_movement (shop, drawer, sale, amount, at) select shop, drawer, id, total, sold_at from sale;
end
$$;
