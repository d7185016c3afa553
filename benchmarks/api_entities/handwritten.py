"""The peer `handwritten`: what a developer writes by hand with FastAPI and SQLAlchemy, without tenancy, audit or ETags."""

import os
import uuid
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, EmailStr, Field
from sqlalchemy import Numeric, String, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

URL = os.environ["BENCH_URL"]
engine = create_engine(URL, pool_size=8)
if URL.startswith("sqlite"):

    @event.listens_for(engine, "connect")
    def _pragmas(connection, _):
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("PRAGMA synchronous = normal")
        connection.execute("PRAGMA busy_timeout = 5000")


Sessions = sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class Patient(Base):
    __tablename__ = "patient"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    given_name: Mapped[str] = mapped_column(String(100))
    family_name: Mapped[str] = mapped_column(String(100), index=True)
    birth_date: Mapped[date]
    email: Mapped[str] = mapped_column(String(200))
    phone: Mapped[str] = mapped_column(String(40))
    ward: Mapped[str] = mapped_column(String(20))
    weight: Mapped[Decimal] = mapped_column(Numeric(6, 2))
    active: Mapped[bool]
    notes: Mapped[str | None]


class PatientIn(BaseModel):
    given_name: str = Field(max_length=100)
    family_name: str = Field(min_length=1, max_length=100)
    birth_date: date
    email: EmailStr
    phone: str = Field(max_length=40)
    ward: Literal["icu", "er", "general"]
    weight: Decimal = Field(max_digits=6, decimal_places=2)
    active: bool = True
    notes: str | None = None


class PatientChanges(BaseModel):
    given_name: str | None = Field(None, max_length=100)
    ward: Literal["icu", "er", "general"] | None = None
    weight: Decimal | None = None
    notes: str | None = None


class PatientOut(PatientIn):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID


def session() -> Iterator[Session]:
    with Sessions() as opened:
        yield opened


Opened = Annotated[Session, Depends(session)]
app = FastAPI()
Base.metadata.create_all(engine)


@app.post("/patients", status_code=201, response_model=PatientOut)
def create(body: PatientIn, db: Opened):
    patient = Patient(**body.model_dump())
    db.add(patient)
    db.commit()
    return patient


@app.get("/patients/{id}", response_model=PatientOut)
def read(id: uuid.UUID, db: Opened):
    patient = db.get(Patient, id)
    if patient is None:
        raise HTTPException(404)
    return patient


@app.get("/patients", response_model=list[PatientOut])
def list_(db: Opened, limit: int = 20, after: uuid.UUID | None = None):
    statement = select(Patient).order_by(Patient.id).limit(limit)
    if after is not None:
        statement = statement.where(Patient.id > after)
    return db.scalars(statement).all()


@app.patch("/patients/{id}", response_model=PatientOut)
def update(id: uuid.UUID, body: PatientChanges, db: Opened):
    patient = db.get(Patient, id)
    if patient is None:
        raise HTTPException(404)
    for name, value in body.model_dump(exclude_unset=True).items():
        setattr(patient, name, value)
    db.commit()
    return patient
